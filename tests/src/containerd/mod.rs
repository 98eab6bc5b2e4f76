//! containerd: through `ctr run --cni`, and in [`cri`] as kubelet uses it. It looks for plugins in /opt/cni/bin and for
//! networks in /etc/cni/net.d.

pub mod cri;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use serde_json::Value;

use crate::harness::{require_program, require_root, skip};
use crate::host::Host;

/// Where it looks for networks.
pub const NETWORKS: &str = "/etc/cni/net.d";

/// A containerd of this test's; ends when dropped.
#[derive(Debug)]
pub struct Containerd {
    process: Child,
    socket: PathBuf,
}

impl Containerd {
    /// Start it, with this directory in place of /opt/cni/bin and this network. Skips the test where containerd cannot be.
    pub fn start(host: &Host, plugins: &Path, network: &Value) -> Result<Self> {
        Self::configured(host, plugins, network, "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n", "")
    }

    /// The same with these lines in its configuration: at its head, and behind.
    fn configured(host: &Host, plugins: &Path, network: &Value, head: &str, more: &str) -> Result<Self> {
        require_root()?;
        for (program, package) in [("containerd", "containerd"), ("ctr", "containerd"), ("runc", "runc")] {
            require_program(program, package)?;
        }
        let bin = Path::new("/opt/cni/bin");
        std::fs::create_dir_all(bin)?;
        mount(Some(plugins), bin, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        // ctr takes the first network of the directory; it adds `loopback` by itself.
        std::fs::create_dir_all(NETWORKS)?;
        std::fs::write(Path::new(NETWORKS).join("10-network.conflist"), network.to_string())?;
        let directory = host.directory("containerd")?;
        let socket = directory.join("socket");
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n{head}[grpc]\naddress = {socket:?}\n{more}",
            directory.join("root"),
            directory.join("state"),
        );
        std::fs::write(directory.join("config.toml"), config)?;
        let log = std::fs::File::create(directory.join("log"))?;
        let process = Command::new("containerd")
            .arg("--config")
            .arg(directory.join("config.toml"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("run containerd")?;
        let mut containerd = Self { process, socket };
        let deadline = Instant::now() + Duration::from_secs(30);
        while containerd.ctr(&["version"]).is_err() {
            let ended = containerd.process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("containerd does not start: {}", std::fs::read_to_string(directory.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(containerd)
    }

    /// Run `ctr`; what it printed.
    pub fn ctr(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.socket).args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = command.stdin(Stdio::null()).output().context("run ctr")?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() && stderr.contains("cgroup") {
            return Err(skip(format!("containerd cannot use the control groups of this machine: {}", stderr.trim())));
        }
        ensure!(output.status.success(), "ctr {}: {stderr}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A container in the foreground of a `ctr`: only then does `ctr` take the network away at the end.
    pub fn run(&self, root: &Path, name: &str) -> Result<Child> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.socket).args(["run", "--cni", "--null-io", "--rootfs"]).arg(root);
        command.args([name, "/bin/httpd", "-f", "-p", "80", "-h", "/www"]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().context("run ctr")
    }

    /// Run a program in a container.
    pub fn exec(&self, name: &str, arguments: &[&str]) -> Result<String> {
        self.ctr(&[&["task", "exec", "--exec-id", "probe", name], arguments].concat())
    }

    /// Kill a container, and wait until `ctr` has taken its network away.
    pub fn stop(&self, name: &str, process: Child) -> Result<()> {
        self.ctr(&["task", "kill", "--signal", "SIGKILL", name])?;
        let output = process.wait_with_output()?;
        // The status is that of the killed container; a failed DEL is told on standard error.
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(!stderr.contains("plugin") && !stderr.contains("cni"), "ctr: {stderr}");
        self.ctr(&["container", "delete", name]).map(drop)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Wait until the network of a container is there: so many addresses are given out.
pub fn await_leases(host: &Host, ctr: &mut Child, count: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.leases(Path::new("/run/test/ipam"), "lab")?.len() < count {
        if let Some(status) = ctr.try_wait()? {
            let mut stderr = String::new();
            ctr.stderr.take().map(|mut pipe| pipe.read_to_string(&mut stderr));
            if stderr.contains("cgroup") {
                return Err(skip(format!("containerd cannot use the control groups of this machine: {stderr}")));
            }
            bail!("ctr run ended with {status}: {stderr}");
        }
        ensure!(Instant::now() < deadline, "no addresses after 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    // ADD goes on for a while after the addresses are given out.
    std::thread::sleep(Duration::from_millis(500));
    Ok(())
}
