//! `weir keygen`, `weir sign` and `weir verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::Directory;
use crate::compiler::{read_component, verify_installed};
use crate::console;
use crate::registry::Registry;
use crate::signing::{PublicKey, SecretKey, Signature, TRUST_DIRECTORY, TrustDirectory, path_beside};

/// Arguments of `weir keygen`.
#[derive(Debug, clap::Args)]
pub(super) struct KeygenArguments {
    /// The file for the secret key; the public one is put beside it, with `.pub` behind its name.
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,
}

/// Arguments of `weir sign`.
#[derive(Debug, clap::Args)]
pub(super) struct SignArguments {
    /// The file of the secret key.
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// Components. Each signature is put beside its component, with `.sig` behind its name.
    #[arg(required = true, value_name = "PLUGIN.WASM")]
    components: Vec<PathBuf>,
}

/// Arguments of `weir verify`.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    trust: Trust,
    /// The public key that must have signed, instead of any trusted one.
    #[arg(long, value_name = "FILE", conflicts_with = "installed")]
    key: Option<PathBuf>,
    /// Look at everything that is installed in the directory.
    #[arg(long, conflicts_with = "components")]
    installed: bool,
    /// Components with their signatures beside them.
    #[arg(required_unless_present = "installed", value_name = "PLUGIN.WASM")]
    components: Vec<PathBuf>,
}

/// Which keys are trusted.
#[derive(Debug, clap::Args)]
pub(super) struct Trust {
    /// The directory of trusted keys: files NAME.pub that only root may write.
    #[arg(long, value_name = "DIR", default_value = TRUST_DIRECTORY)]
    pub(super) trust_dir: PathBuf,
}

pub(super) fn keygen(arguments: &KeygenArguments) -> anyhow::Result<()> {
    let key = SecretKey::generate()?;
    let files = key.write(&arguments.output)?;
    console::out(format_args!("key {}", key.public().id()));
    console::out(format_args!("secret: {} (keep it to yourself)", files.secret.display()));
    console::out(format_args!(
        "public: {} (into {TRUST_DIRECTORY} where plugins are installed)",
        files.public.display()
    ));
    Ok(())
}

pub(super) fn sign(arguments: &SignArguments) -> anyhow::Result<()> {
    let key = SecretKey::read(&arguments.key)?;
    for component in &arguments.components {
        let bytes = read(component)?;
        // Nothing is signed that could not be installed.
        let facts = read_component(&bytes).with_context(|| component.display().to_string())?;
        let path = path_beside(component);
        let text = Signature::make(&key, &bytes).text().map_err(anyhow::Error::msg)?;
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        let manifest = facts.manifest;
        console::out(format_args!(
            "signed {} {} with key {}: {}",
            manifest.name,
            manifest.version,
            key.public().id(),
            path.display()
        ));
    }
    Ok(())
}

pub(super) fn verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    if arguments.installed {
        return installed(&arguments.directory.registry()?, &arguments.trust.trust_dir);
    }
    let key = arguments.key.as_deref().map(PublicKey::read).transpose()?;
    for component in &arguments.components {
        let whose = of_file(component, key.as_ref(), &arguments.trust.trust_dir)
            .with_context(|| component.display().to_string())?;
        println!("{}: signed by {whose}", component.display());
    }
    Ok(())
}

fn of_file(component: &Path, key: Option<&PublicKey>, trust: &Path) -> anyhow::Result<String> {
    let bytes = read(component)?;
    let path = path_beside(component);
    let signature =
        Signature::read(&path)?.with_context(|| format!("it is not signed: there is no {}", path.display()))?;
    if let Some(key) = key {
        signature.verify(key, &bytes)?;
        return Ok(format!("key {}", key.id()));
    }
    let signer = TrustDirectory::open(trust)?.signer_of(&signature, &bytes)?;
    Ok(format!("{} (key {})", signer.name, signer.key_id))
}

fn installed(registry: &Registry, trust: &Path) -> anyhow::Result<()> {
    let trusted = TrustDirectory::open(trust)?;
    let mut failed = 0_usize;
    for name in registry.names()? {
        let found = registry.entry(&name).map_err(Into::into).and_then(|e| verify_installed(registry, &e, &trusted));
        match found {
            Ok(Some(signer)) => println!("{name}: signed by {} (key {})", signer.name, signer.key_id),
            Ok(None) => println!("{name}: not signed"),
            Err(error) => {
                failed = failed.saturating_add(1);
                println!("{name}: FAILED: {error}");
            }
        }
    }
    if failed > 0 {
        bail!(
            "{failed} of the plugins in {} must not be trusted; `weir remove` removes one",
            registry.bin_dir().display()
        );
    }
    Ok(())
}

fn read(component: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(component).with_context(|| format!("read {}", component.display()))
}
