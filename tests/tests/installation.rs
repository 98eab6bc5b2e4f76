//! `weir install` and what it leaves: a directory that any runtime can have as CNI_PATH, and code that is run only
//! where nobody else could have changed it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Call, CniError, Host, Programs, programs, run, test};

fn main() -> ExitCode {
    run(vec![
        test("an_installed_directory_works_without_any_variable_of_ours", works_bare),
        test("version_is_answered_without_the_plugins_code", version_without_code),
        test("nothing_is_installed_without_consent", no_consent),
        test("a_native_plugin_keeps_its_place_unless_asked", native_keeps_its_place),
        test("removing_a_plugin_leaves_native_ones_and_other_plugins", removal),
        test("code_for_another_engine_is_compiled_anew_by_itself", stale_code),
        test("stale_code_without_a_compiler_is_refused", stale_without_compiler),
        test("altered_code_is_not_run", altered_code),
        test("code_in_a_copied_directory_is_looked_at_anew", copied_code),
        test("code_that_others_may_write_is_not_run", writable_code),
        test("code_behind_a_link_is_not_run", linked_code),
        test("an_import_that_was_not_granted_is_refused", missing_grant),
        test("a_plugin_that_is_not_installed_is_named", not_installed),
        test("a_file_that_is_no_plugin_is_refused_with_the_reason", no_plugin),
        test("a_reader_that_has_gone_ends_a_command_quietly", closed_pipe),
        test("what_is_to_be_done_is_done_although_nobody_reads_of_it", unread),
        test("make_install_puts_all_where_weir_install_finds_it", make_install),
    ])
}

/// A directory with some plugins installed.
struct Installed {
    directory: PathBuf,
}

fn weir(arguments: &[&str], directory: &Path) -> Result<Output> {
    let program = programs::dist().join("bin/weir");
    Ok(Command::new(program).args(arguments).arg("--bin-dir").arg(directory).stdin(Stdio::null()).output()?)
}

fn component(name: &str) -> String {
    programs::dist().join(format!("plugins/{name}.wasm")).display().to_string()
}

fn must(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Installed {
    fn new(host: &Host, names: &[&str]) -> Result<Self> {
        let directory = host.directory("bin")?;
        for name in names {
            must(&weir(&["install", "--grant-requested", &component(name)], &directory)?)?;
        }
        Ok(Self { directory })
    }

    fn call(&self, host: &Host, plugin: &str, command: &str) -> Result<Call> {
        static CONTAINERS: AtomicU32 = AtomicU32::new(0);
        let container = host.container(&format!("c{}", CONTAINERS.fetch_add(1, Ordering::Relaxed)))?;
        let config = json!({"cniVersion": "1.0.0", "name": "net", "type": plugin});
        let programs = Programs::of(self.directory.clone());
        Ok(Call::new(&programs, plugin, command)?.container(&container).config(&config))
    }

    fn refused(&self, host: &Host) -> Result<CniError> {
        let error = self.call(host, "loopback", "ADD")?.error()?;
        ensure!(error.code == 100, "{error:?}");
        Ok(error)
    }

    fn entry_path(&self, plugin: &str) -> PathBuf {
        self.directory.join(format!(".weir/plugins/{plugin}.json"))
    }

    fn entry(&self, plugin: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.entry_path(plugin))?)?)
    }

    fn change_entry(&self, plugin: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut entry = self.entry(plugin)?;
        change(&mut entry);
        Ok(fs::write(self.entry_path(plugin), entry.to_string())?)
    }

    fn code(&self, plugin: &str) -> Result<PathBuf> {
        let digest = self.entry(plugin)?["compiled"]["digest"].as_str().unwrap().to_owned();
        Ok(self.directory.join(format!(".weir/compiled/{digest}.cwasm")))
    }
}

fn works_bare(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    // The directory is all there is: it works where the distribution it came from is not.
    let moved = host.directory("elsewhere")?.join("bin");
    fs::rename(&installed.directory, &moved)?;
    let installed = Installed { directory: moved };
    let result = installed.call(host, "loopback", "ADD")?.ok()?;
    ensure!(result["interfaces"][0]["name"] == json!("lo"), "{result}");
    Ok(())
}

fn version_without_code(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    fs::remove_dir_all(installed.directory.join(".weir/compiled"))?;
    let answer = installed.call(host, "loopback", "VERSION")?.ok()?;
    ensure!(answer["cniVersion"] == json!("1.0.0"), "{answer}");
    ensure!(answer["supportedVersions"].as_array().is_some_and(|versions| versions.len() == 7), "{answer}");
    Ok(())
}

fn no_consent(host: &Host) -> Result<()> {
    let directory = host.directory("bin")?;
    let output = weir(&["install", &component("bridge")], &directory)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(said.contains("host-namespace") && said.contains("--grant-requested"), "{said}");
    ensure!(!directory.join("bridge").exists() && !directory.join(".weir/plugins/bridge.json").exists());
    Ok(())
}

fn native_keeps_its_place(host: &Host) -> Result<()> {
    let directory = host.directory("bin")?;
    fs::write(directory.join("loopback"), "#!/bin/sh\necho native\n")?;
    let said = must(&weir(&["install", "--grant-requested", &component("loopback")], &directory)?)?;
    ensure!(said.contains("stays"), "{said}");
    ensure!(fs::read_to_string(directory.join("loopback"))?.contains("native"));
    must(&weir(&["install", "--grant-requested", "--overwrite-native", &component("loopback")], &directory)?)?;
    ensure!(fs::read_link(directory.join("loopback"))? == Path::new("weir-cni"));
    Ok(())
}

fn removal(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback", "static"])?;
    let native = installed.directory.join("firewall");
    fs::write(&native, "native")?;
    must(&weir(&["remove", "loopback"], &installed.directory)?)?;
    ensure!(!installed.directory.join("loopback").exists() && installed.directory.join("static").exists());
    ensure!(native.exists());
    ensure!(fs::read_dir(installed.directory.join(".weir/components"))?.count() == 1, "its component is left");
    ensure!(weir(&["remove", "firewall"], &installed.directory)?.status.code() == Some(1) && native.exists());
    let listed = must(&weir(&["list"], &installed.directory)?)?;
    ensure!(listed.contains("static") && !listed.contains("loopback"), "{listed}");
    Ok(())
}

fn stale_code(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    let before = installed.entry("loopback")?["compiled"].clone();
    installed.change_entry("loopback", |entry| entry["compiled"]["engine"] = json!("wasmtime-1.0.0"))?;
    installed.call(host, "loopback", "ADD")?.ok()?;
    let after = installed.entry("loopback")?["compiled"].clone();
    for key in ["digest", "engine"] {
        ensure!(after[key] == before[key], "the entry is still the old one: {after}");
    }
    fs::remove_file(installed.code("loopback")?)?;
    installed.call(host, "loopback", "ADD")?.ok()?;
    ensure!(installed.code("loopback")?.exists());
    Ok(())
}

fn stale_without_compiler(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    fs::remove_file(installed.code("loopback")?)?;
    fs::remove_file(installed.directory.join(".weir/bin/weir"))?;
    let error = installed.refused(host)?;
    ensure!(error.msg.contains("out of date"), "{error:?}");
    Ok(())
}

fn altered_code(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    let code = installed.code("loopback")?;
    let mut bytes = fs::read(&code)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&code, bytes)?;
    let error = installed.refused(host)?;
    ensure!(error.msg.contains("digest"), "{error:?}");
    Ok(())
}

/// A copy has other files than those that were stored: it works, and its content is looked at.
fn copied_code(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    let stamp = installed.entry("loopback")?["compiled"]["stamp"].clone();
    let code = installed.code("loopback")?;
    let bytes = fs::read(&code)?;
    let replace = |content: &[u8]| -> Result<()> {
        let copy = code.with_extension("copy");
        fs::write(&copy, content)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))?;
        Ok(fs::rename(copy, &code)?)
    };
    replace(&bytes)?;
    installed.call(host, "loopback", "ADD")?.ok()?;
    ensure!(installed.entry("loopback")?["compiled"]["stamp"] == stamp, "a command wrote to the registry");
    let mut evil = bytes;
    let middle = evil.len() / 2;
    evil[middle] ^= 1;
    replace(&evil)?;
    let error = installed.refused(host)?;
    ensure!(error.msg.contains("digest"), "{error:?}");
    Ok(())
}

fn writable_code(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    for mode in [0o664, 0o646] {
        fs::set_permissions(installed.code("loopback")?, fs::Permissions::from_mode(mode))?;
        let error = installed.refused(host)?;
        ensure!(error.msg.contains("lets others write it"), "{error:?}");
    }
    fs::set_permissions(installed.code("loopback")?, fs::Permissions::from_mode(0o644))?;
    fs::set_permissions(installed.entry_path("loopback"), fs::Permissions::from_mode(0o666))?;
    installed.refused(host)?;
    Ok(())
}

fn linked_code(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    let code = installed.code("loopback")?;
    let aside = code.with_extension("aside");
    fs::rename(&code, &aside)?;
    symlink(&aside, &code)?;
    installed.refused(host)?;
    Ok(())
}

fn missing_grant(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    installed.change_entry("loopback", |entry| entry["grants"]["interfaces"] = json!(["container-namespace"]))?;
    let error = installed.call(host, "loopback", "ADD")?.error()?;
    ensure!(error.code == 101 && error.msg.contains("links"), "{error:?}");
    Ok(())
}

fn not_installed(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    symlink("weir-cni", installed.directory.join("unheard-of"))?;
    let error = installed.call(host, "unheard-of", "ADD")?.error()?;
    ensure!(error.code == 100 && error.msg.contains("unheard-of"), "{error:?}");
    Ok(())
}

fn no_plugin(host: &Host) -> Result<()> {
    let directory = host.directory("bin")?;
    let (text, module) = (directory.join("text.wasm"), directory.join("module.wasm"));
    fs::write(&text, "no WebAssembly")?;
    fs::write(&module, b"\0asm\x01\0\0\0")?;
    for (file, reason) in [(&text, "not a valid"), (&module, "weir pack")] {
        let output = weir(&["install", "--grant-requested", &file.display().to_string()], &directory)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1) && said.contains(reason), "{said}");
    }
    Ok(())
}

fn closed_pipe(host: &Host) -> Result<()> {
    let installed = Installed::new(host, &["loopback"])?;
    for arguments in [&["list"] as &[&str], &["inspect", "loopback"], &["explain", "loopback"]] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let mut command = Command::new(programs::dist().join("bin/weir"));
        command.args(arguments).arg("--bin-dir").arg(&installed.directory).stdin(Stdio::null()).stdout(writer);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.signal() == Some(nix::sys::signal::Signal::SIGPIPE as i32),
            "{arguments:?}: {}: {said}",
            output.status
        );
        ensure!(said.is_empty(), "{arguments:?}: {said}");
    }
    Ok(())
}

/// A pipe that nobody reads from.
fn unread_pipe() -> Result<Stdio> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    Ok(writer.into())
}

fn unread(host: &Host) -> Result<()> {
    let directory = host.directory("bin")?;
    let key = host.directory("keys")?.join("key");
    let (key, names) = (key.display().to_string(), ["loopback", "static"]);
    let components = names.map(component);
    let [first, second] = [components[0].as_str(), components[1].as_str()];
    let bin_dir = directory.display().to_string();
    let unread = |arguments: &[&str]| -> Result<()> {
        let mut command = Command::new(programs::dist().join("bin/weir"));
        command.args(arguments).stdin(Stdio::null()).stdout(unread_pipe()?).stderr(unread_pipe()?);
        let status = command.status()?;
        ensure!(status.success(), "{arguments:?}: {status}");
        Ok(())
    };
    unread(&["keygen", "--output", &key])?;
    ensure!(Path::new(&format!("{key}.pub")).exists());
    unread(&["install", "--grant-requested", "--bin-dir", &bin_dir, first, second])?;
    let installed = Installed { directory };
    ensure!(names.iter().all(|name| installed.entry_path(name).exists()));

    // Every host call is a line on standard error.
    let container = host.container("unread")?;
    let mut add = Command::new(installed.directory.join("loopback"));
    add.env_clear().env("WEIR_LOG", "debug").env("CNI_COMMAND", "ADD").env("CNI_IFNAME", "lo");
    add.env("CNI_CONTAINERID", &container.id).env("CNI_NETNS", &container.path).env("CNI_PATH", &bin_dir);
    let config = installed.directory.join("config");
    fs::write(&config, json!({"cniVersion": "1.0.0", "name": "net", "type": "loopback"}).to_string())?;
    let output = add.stdin(fs::File::open(&config)?).stdout(Stdio::piped()).stderr(unread_pipe()?).output()?;
    let answer = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && answer.contains("127.0.0.1"), "{}: {answer}", output.status);

    unread(&["remove", "--bin-dir", &bin_dir, names[0], names[1]])?;
    ensure!(names.iter().all(|name| !installed.entry_path(name).exists()));
    Ok(())
}

fn make_install(host: &Host) -> Result<()> {
    let root = host.directory("root")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new("make")
        .args(["--no-print-directory", "install", "PREFIX=/usr"])
        .arg(format!("DESTDIR={}", root.display()))
        .arg(format!("DIST={}", programs::dist().display()))
        .current_dir(workspace)
        .output()?;
    must(&made)?;
    let directory = host.directory("bin")?;
    let installed = Command::new(root.join("usr/bin/weir"))
        .args(["install", "--grant-requested", "--bin-dir"])
        .arg(&directory)
        .arg(root.join("usr/share/weir/plugins/loopback.wasm"))
        .output()?;
    must(&installed)?;
    Installed { directory }.call(host, "loopback", "ADD")?.ok()?;
    Ok(())
}
