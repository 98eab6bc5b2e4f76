//! podman with its CNI backend.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{require_program, require_root, skip};
use crate::host::Host;
use crate::programs::Programs;
use crate::rootfs;

/// One with storage, configuration and state below the test's directory.
#[derive(Debug)]
pub struct Podman {
    directory: PathBuf,
    /// Its networks' configurations.
    pub networks: PathBuf,
}

impl Podman {
    /// Make it, with these plugins. Skips the test where podman cannot be.
    pub fn new(host: &Host, programs: &Programs) -> Result<Self> {
        require_root()?;
        for (program, package) in [("podman", "podman"), ("runc", "runc"), ("conmon", "conmon")] {
            require_program(program, package)?;
        }
        let directory = host.directory("podman")?;
        let networks = directory.join("net.d");
        std::fs::create_dir_all(&networks)?;
        let plugin_dirs: Vec<_> = programs.directories.iter().map(|d| format!("\"{}\"", d.display())).collect();
        std::fs::write(
            directory.join("containers.conf"),
            format!(
                "[network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [{}]\nnetwork_config_dir = \"{}\"\n\
                 default_network = \"lab\"\n[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
                 runtime = \"runc\"\n[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n",
                plugin_dirs.join(", "),
                networks.display(),
            ),
        )?;
        let (graph, run) = (directory.join("root"), directory.join("runroot"));
        std::fs::write(
            directory.join("storage.conf"),
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = {graph:?}\nrunroot = {run:?}\n"),
        )?;
        Ok(Self { directory, networks })
    }

    /// Configure a network.
    pub fn network(&self, name: &str, plugins: &[Value]) -> Result<()> {
        let list = json!({"cniVersion": "1.0.0", "name": name, "plugins": plugins});
        Ok(std::fs::write(self.networks.join(format!("{name}.conflist")), list.to_string())?)
    }

    /// Run a command of podman's; what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let at = |name: &str| self.directory.join(name);
        let output = Command::new("podman")
            .args(["--storage-driver", "vfs", "--root"])
            .arg(at("root"))
            .arg("--runroot")
            .arg(at("runroot"))
            .arg("--tmpdir")
            .arg(at("tmp"))
            .args(arguments)
            .env("CONTAINERS_CONF", at("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", at("storage.conf"))
            .env("HOME", at("home"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .context("run podman")?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success()
            && stderr.contains("cgroup")
            && !stderr.contains("CNI")
            && !stderr.contains("plugin")
        {
            return Err(skip(format!("podman cannot use the control groups of this machine: {}", stderr.trim())));
        }
        ensure!(output.status.success(), "podman {}: {stderr}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Start a container that serves a page on port 80.
    pub fn start(&self, host: &Host, name: &str, network: &str, more: &[&str]) -> Result<()> {
        let root = host.directory(&format!("rootfs-{name}"))?;
        if !root.join("bin").exists() {
            rootfs::make(&root)?;
        }
        let mut arguments = vec!["run", "--detach", "--name", name, "--hostname", name, "--network", network];
        arguments.extend(more);
        let root = root.to_string_lossy();
        arguments.extend(["--rootfs", &root, "/bin/httpd", "-f", "-p", "80", "-h", "/www"]);
        self.run(&arguments).map(drop)
    }

    /// The address of a container.
    pub fn address(&self, name: &str, network: &str) -> Result<String> {
        let shown: Value = serde_json::from_str(&self.run(&["inspect", name])?)?;
        let address = shown.pointer(&format!("/0/NetworkSettings/Networks/{network}/IPAddress"));
        let address = address.and_then(Value::as_str).unwrap_or_default();
        ensure!(!address.is_empty(), "podman knows no address of {name}: {shown}");
        Ok(address.to_owned())
    }
}
