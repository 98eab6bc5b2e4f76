//! containerd's service of the Container Runtime Interface, which kubelet speaks to.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Containerd;
use crate::harness::{require_program, skip};
use crate::host::Host;
use crate::rootfs;

/// What each pod runs: it stands in for the pause image.
const IMAGE: &str = "docker.io/library/pod:1";
/// Debian's, which has Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// A containerd with this service, and a client.
#[derive(Debug)]
pub struct Cri {
    containerd: Containerd,
    client: PathBuf,
}

impl Cri {
    /// Start it with this network, and with an image whose pods serve a page on port 80. Skips the test where it cannot be.
    pub fn start(host: &Host, plugins: &Path, network: &Value) -> Result<Self> {
        require_program(PYTHON, "python3-minimal")?;
        let module = Command::new(PYTHON).args(["-c", "import grpc"]).output()?;
        if !module.status.success() {
            return Err(skip("Python has no module grpc (Debian package python3-grpcio)"));
        }
        let of_service = "[plugins.\"io.containerd.grpc.v1.cri\"]\n";
        // Nothing of the machine's own is to be limited, and file systems of a test cannot be stacked everywhere.
        let more = format!(
            "{of_service}sandbox_image = {IMAGE:?}\ndisable_cgroup = true\ndisable_apparmor = true\n\
             restrict_oom_score_adj = true\nnetns_mounts_under_state_dir = true\n\
             stream_server_address = \"127.0.0.1\"\nstream_server_port = \"0\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n"
        );
        let containerd = Containerd::configured(host, plugins, network, "", &more)?;
        let image = image(host)?.display().to_string();
        containerd.ctr(&["--namespace", "k8s.io", "images", "import", &image])?;
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/containerd/cri_client.py");
        Ok(Self { containerd, client })
    }

    /// Whether it says that it is ready for networks.
    pub fn is_network_ready(&self) -> Result<bool> {
        Ok(self.json(&["status"])?.get("NetworkReady") == Some(&Value::Bool(true)))
    }

    /// Start a pod with these ports of the host for ports of its own (`8080:80`); its ID.
    pub fn run(&self, name: &str, ports: &[&str]) -> Result<String> {
        self.ask(&[&["run", name], ports].concat())
    }

    /// The addresses that kubelet learns of a pod.
    pub fn addresses(&self, pod: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.json(&["addresses", pod])?)?)
    }

    /// Run a program in a pod.
    pub fn exec(&self, pod: &str, arguments: &[&str]) -> Result<String> {
        let task = ["--namespace", "k8s.io", "task", "exec", "--exec-id", "probe", pod];
        self.containerd.ctr(&[&task, arguments].concat())
    }

    /// Take the network of a pod away, as often as kubelet likes.
    pub fn stop(&self, pod: &str) -> Result<()> {
        self.ask(&["stop", pod]).map(drop)
    }

    /// Remove a pod.
    pub fn remove(&self, pod: &str) -> Result<()> {
        self.ask(&["remove", pod]).map(drop)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.ask(arguments)?;
        serde_json::from_str(&answer).with_context(|| format!("an answer: {answer:?}"))
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut client = Command::new(PYTHON);
        let output = client.arg(&self.client).arg(&self.containerd.socket).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}", arguments.join(" "), said.trim());
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// An archive with the image, in the layout of `docker save`.
fn image(host: &Host) -> Result<PathBuf> {
    let (root, directory) = (host.directory("pod")?, host.directory("image")?);
    rootfs::make(&root)?;
    let layer = directory.join("layer.tar");
    tar(&layer, &root, &["."])?;
    let digest = host.run("sha256sum", [layer.to_string_lossy().as_ref()])?;
    let digest = digest.split_whitespace().next().context("no digest")?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "architecture": architecture, "os": "linux",
        "config": {"Entrypoint": ["/bin/httpd", "-f", "-p", "80", "-h", "/www"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    std::fs::write(directory.join("config.json"), config.to_string())?;
    let manifest = json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
    std::fs::write(directory.join("manifest.json"), manifest.to_string())?;
    let archive = host.directory("archive")?.join("image.tar");
    tar(&archive, &directory, &["manifest.json", "config.json", "layer.tar"])?;
    Ok(archive)
}

fn tar(archive: &Path, directory: &Path, names: &[&str]) -> Result<()> {
    let output = Command::new("tar").arg("-C").arg(directory).arg("-cf").arg(archive).args(names).output()?;
    ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
