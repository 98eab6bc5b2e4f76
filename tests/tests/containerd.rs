//! containerd through `ctr run --cni`, which looks for plugins in /opt/cni/bin and for networks in /etc/cni/net.d only.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use serde_json::json;
use weir_tests::harness::{require_program, require_root};
use weir_tests::{Host, Programs, Snapshot, configs, rootfs, run, skip, test, traffic};

fn main() -> ExitCode {
    run(vec![test("a_container_gets_its_network_and_leaves_nothing", |host| lifecycle(host, &Programs::weir()?))])
}

/// A containerd of our own; ends when dropped.
struct Containerd {
    process: Child,
    socket: PathBuf,
}

impl Containerd {
    fn start(host: &Host) -> Result<Self> {
        let directory = host.directory("containerd")?;
        let socket = directory.join("socket");
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n",
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

    fn ctr(&self, arguments: &[&str]) -> Result<String> {
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
    fn run(&self, root: &Path, name: &str) -> Result<Child> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&self.socket).args(["run", "--cni", "--null-io", "--rootfs"]).arg(root);
        command.args([name, "/bin/httpd", "-f", "-p", "80", "-h", "/www"]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().context("run ctr")
    }

    fn exec(&self, name: &str, arguments: &[&str]) -> Result<String> {
        self.ctr(&[&["task", "exec", "--exec-id", "probe", name], arguments].concat())
    }

    fn stop(&self, name: &str, process: Child) -> Result<()> {
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

fn lifecycle(host: &Host, programs: &Programs) -> Result<()> {
    require_root()?;
    for (program, package) in [("containerd", "containerd"), ("ctr", "containerd"), ("runc", "runc")] {
        require_program(program, package)?;
    }
    let bin = Path::new("/opt/cni/bin");
    std::fs::create_dir_all(bin)?;
    mount(Some(&programs.directories[0]), bin, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    std::fs::create_dir_all("/etc/cni/net.d")?;
    // ctr takes the first network of the directory; it adds `loopback` by itself.
    let subnets = ["10.77.0.0/24", "fd00:77::/64"];
    let list = json!({
        "cniVersion": "1.0.0", "name": "lab",
        "plugins": [configs::bridge(&subnets), configs::tuning(), configs::portmap("nftables")],
    });
    std::fs::write("/etc/cni/net.d/10-lab.conflist", list.to_string())?;
    let root = host.directory("rootfs")?;
    rootfs::make(&root)?;

    let containerd = Containerd::start(host)?;
    let data_dir = Path::new("/run/test/ipam");
    // What stays for good (the bridge, base chains) is there after the first round.
    let mut states = Vec::new();
    for round in 0..2 {
        let mut one = containerd.run(&root, "one")?;
        await_leases(host, &mut one, 2)?;
        let mut two = containerd.run(&root, "two")?;
        await_leases(host, &mut two, 4)?;
        let leases = host.leases(data_dir, "lab")?;
        let links = containerd.exec("one", &["/bin/ip", "address"])?;
        ensure!(links.contains("10.77.0.") && links.contains("fd00:77::"), "{links}");
        ensure!(links.contains("127.0.0.1/8") && !links.contains("lo: <LOOPBACK> "), "loopback is not up: {links}");
        for address in &leases {
            let ping = ["/bin/ping", "-c", "1", "-W", "3", address];
            containerd.exec("two", &ping).with_context(|| format!("round {round}"))?;
            let page = traffic::fetch_here(address, 80)?;
            ensure!(page.contains("a page from the container"), "{page}");
        }
        containerd.stop("one", one)?;
        containerd.stop("two", two)?;
        let leases = host.leases(data_dir, "lab")?;
        ensure!(leases.is_empty(), "addresses stay: {leases:?}");
        states.push(Snapshot::take_with(&[], &[])?);
    }
    states[0].assert_same(&states[1])
}

/// Wait until the network of a container is there.
fn await_leases(host: &Host, ctr: &mut Child, count: usize) -> Result<()> {
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
