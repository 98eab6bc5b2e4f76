//! The programs under test: a directory made by `weir install`, as a runtime would get it, and the native plugins.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow, bail};

use crate::embedding::Embedding;
use crate::harness::skip;
use crate::host::{Host, output};
use crate::record::Calls;

/// Where Debian's package containernetworking-plugins puts its programs.
const NATIVE: &str = "/usr/lib/cni";

/// Directories with plugins, first come first served: what CNI_PATH says.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The directories.
    pub directories: Vec<PathBuf>,
    /// Where calls are counted.
    pub(crate) calls: Calls,
    /// The process that runs them in itself; none: they are executed.
    pub(crate) embedding: Option<Arc<Embedding>>,
}

static INSTALLED: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();

impl Programs {
    /// Those in a directory.
    pub fn of(directory: impl Into<PathBuf>) -> Self {
        Self { directories: vec![directory.into()], calls: Calls::of_this_test(), embedding: None }
    }

    /// Weir's plugins. Installed once for each build, below `installed`, from `WEIR_DIST` or `dist` in the workspace. With
    /// `WEIR_TESTS_NATIVE=1` the native plugins stand in for them: the way to try the tests themselves. `WEIR_TESTS_BIN`
    /// names a directory into which they are installed already; `WEIR_TESTS_ISOLATION=process` runs their code in processes
    /// of their own.
    pub fn weir() -> Result<Self> {
        if std::env::var_os("WEIR_TESTS_NATIVE").is_some() {
            return Self::native();
        }
        if let Some(directory) = std::env::var_os("WEIR_TESTS_BIN") {
            return Ok(Self::of(directory));
        }
        let installed = INSTALLED.get_or_init(|| install().map_err(|error| format!("{error:#}")));
        let directory = installed.as_ref().map_err(|error| anyhow!("{error}"))?;
        if std::env::var_os("WEIR_TESTS_ISOLATION").is_some_and(|mode| mode == "process") {
            return Ok(Self::of(isolated(directory)?));
        }
        Ok(Self::of(directory))
    }

    /// The same with the code of plugins in processes of their own, as `"isolation": "process"` of the policy has it.
    pub fn isolated() -> Result<Self> {
        let weir = Self::weir()?;
        let directory = weir.directories.first().context("there is no directory of plugins")?;
        Ok(Self::of(isolated(directory)?))
    }

    /// Debian's native plugins; the test is skipped where they are missing.
    pub fn native() -> Result<Self> {
        if !Path::new(NATIVE).join("bridge").exists() {
            return Err(skip(format!("no plugins in {NATIVE} (Debian package containernetworking-plugins)")));
        }
        Ok(Self::of(NATIVE))
    }

    /// These, and where they have no such plugin, others.
    pub fn then(mut self, others: Self) -> Self {
        self.directories.extend(others.directories);
        self
    }

    /// The same, run by a process that runs in itself those that Weir has installed in the first directory.
    pub fn in_process(mut self, host: &Host) -> Result<Self> {
        self.embedding = Some(Arc::new(Embedding::start(host, self.directories.first().into_iter())?));
        Ok(self)
    }

    /// The process that runs them in itself.
    pub fn embedding(&self) -> Option<&Embedding> {
        self.embedding.as_deref()
    }

    /// The value of CNI_PATH.
    pub fn cni_path(&self) -> String {
        let directories: Vec<_> = self.directories.iter().map(|directory| directory.display().to_string()).collect();
        directories.join(":")
    }

    /// The program of a plugin type.
    pub fn find(&self, plugin: &str) -> Result<PathBuf> {
        let found = self.directories.iter().map(|directory| directory.join(plugin)).find(|path| path.exists());
        found.with_context(|| format!("no plugin {plugin} in {}", self.cni_path()))
    }

    /// The newest version of the specification that they speak.
    pub fn newest(&self) -> &'static str {
        if self.are_native() { "1.0.0" } else { "1.1.0" }
    }

    /// Whether these are the stand-ins, which have the faults that Weir's plugins have not.
    pub fn are_native(&self) -> bool {
        self.directories.first().is_some_and(|directory| directory == Path::new(NATIVE))
    }
}

/// Where `make build` put what it built.
pub fn dist() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("WEIR_DIST").map_or_else(|| workspace.join("dist"), PathBuf::from)
}

/// The plugins that the Makefile, whose text this is, builds: the value of PLUGINS.
pub fn bundled(makefile: &str) -> Vec<String> {
    let value = makefile.split_once("PLUGINS := \\\n").map_or("", |(_, rest)| rest);
    value.lines().map_while(|line| line.strip_suffix('\\')).map(|line| line.trim().to_owned()).collect()
}

fn install() -> Result<PathBuf> {
    let dist = dist();
    let weir = dist.join("bin/weir");
    if !weir.exists() {
        bail!("{} is missing: run `make build` first", weir.display());
    }
    let mut components: Vec<_> = std::fs::read_dir(dist.join("plugins"))
        .with_context(|| format!("read {}", dist.join("plugins").display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    components.sort();
    // Once for all test programs: compiling takes some seconds.
    let all = dist.join("installed");
    let directory = all.join(fingerprint(&dist, &components)?);
    if directory.exists() {
        return Ok(directory);
    }
    std::fs::create_dir_all(&all)?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&all)?;
    let mut command = Command::new(&weir);
    command.arg("install").arg("--bin-dir").arg(unfinished.path()).arg("--grant-requested").args(components);
    let output = output(&mut command)?;
    if !output.status.success() {
        bail!("weir install failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::set_permissions(unfinished.path(), std::fs::Permissions::from_mode(0o755))?;
    // Another test program may have been quicker; then the name is taken, and the same is there.
    match std::fs::rename(unfinished.keep(), &directory) {
        Err(error) if !directory.exists() => Err(error).context("keep what was installed"),
        _ => Ok(directory),
    }
}

/// A copy of a directory of plugins, beside it, whose policy demands isolation in processes.
pub fn isolated(directory: &Path) -> Result<PathBuf> {
    let name = directory.file_name().context("the directory of plugins has no name")?.to_string_lossy();
    if name.ends_with("-process") {
        return Ok(directory.to_owned());
    }
    let copy = directory.with_file_name(format!("{name}-process"));
    if copy.exists() {
        return Ok(copy);
    }
    let parent = directory.parent().context("the directory of plugins is the root")?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(parent)?;
    let mut command = Command::new("cp");
    let copied = output(command.arg("-a").arg(directory.join(".")).arg(unfinished.path()))?;
    if !copied.status.success() {
        bail!("cp failed: {}", String::from_utf8_lossy(&copied.stderr));
    }
    demand_isolation(unfinished.path())?;
    std::fs::set_permissions(unfinished.path(), PermissionsExt::from_mode(0o755))?;
    match std::fs::rename(unfinished.keep(), &copy) {
        Err(error) if !copy.exists() => Err(error).context("keep the copy"),
        _ => Ok(copy),
    }
}

/// Write the policy of a directory of plugins that has none: isolation in processes.
pub fn demand_isolation(directory: &Path) -> Result<()> {
    let policy = directory.join(".weir/policy.json");
    std::fs::write(&policy, r#"{"isolation": "process"}"#)?;
    Ok(std::fs::set_permissions(policy, PermissionsExt::from_mode(0o644))?)
}

/// Tells one build from another: names, sizes and times of all that is installed.
fn fingerprint(dist: &Path, components: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in [dist.join("bin/weir"), dist.join("bin/weir-cni")].iter().chain(components) {
        let metadata = file.metadata().with_context(|| format!("look at {}", file.display()))?;
        (file.file_name(), metadata.len(), metadata.modified()?).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
