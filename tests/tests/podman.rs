//! podman with its CNI backend, given a directory made by `weir install`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::harness::{require_program, require_root};
use weir_tests::{Host, Programs, Snapshot, configs, rootfs, run, skip, test, traffic};

fn main() -> ExitCode {
    run(vec![
        test("two_containers_reach_each_other_and_their_port_is_published", |host| {
            lifecycle(host, &Programs::weir()?, "nftables", "10.88.1.0/24")
        }),
        test("the_iptables_backend_publishes_ports_too", |host| {
            lifecycle(host, &Programs::weir()?, "iptables", "10.88.2.0/24")
        }),
        test("what_podman_itself_writes_into_a_network_works", |host| own_network(host, &Programs::weir()?)),
    ])
}

struct Podman {
    directory: PathBuf,
    networks: PathBuf,
}

impl Podman {
    fn new(host: &Host, programs: &Programs) -> Result<Self> {
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

    fn network(&self, name: &str, plugins: &[Value]) -> Result<()> {
        let list = json!({"cniVersion": "1.0.0", "name": name, "plugins": plugins});
        Ok(std::fs::write(self.networks.join(format!("{name}.conflist")), list.to_string())?)
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
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

    fn start(&self, host: &Host, name: &str, network: &str, more: &[&str]) -> Result<()> {
        let root = host.directory(&format!("rootfs-{name}"))?;
        if !root.join("bin").exists() {
            rootfs::make(&root)?;
        }
        let mut arguments = vec!["run", "--detach", "--name", name, "--hostname", name, "--network", network];
        arguments.extend(more);
        arguments.extend(["--rootfs", root.to_str().unwrap(), "/bin/httpd", "-f", "-p", "80", "-h", "/www"]);
        self.run(&arguments).map(drop)
    }

    fn address(&self, name: &str, network: &str) -> Result<String> {
        let shown: Value = serde_json::from_str(&self.run(&["inspect", name])?)?;
        let address = shown[0]["NetworkSettings"]["Networks"][network]["IPAddress"].as_str().unwrap_or_default();
        ensure!(!address.is_empty(), "podman knows no address of {name}: {}", shown[0]["NetworkSettings"]);
        Ok(address.to_owned())
    }
}

fn lifecycle(host: &Host, programs: &Programs, backend: &str, subnet: &str) -> Result<()> {
    let podman = Podman::new(host, programs)?;
    let outside = host.outside()?;
    let bridge = configs::with(
        &configs::bridge(&[subnet]),
        json!({"ipMasq": true, "ipMasqBackend": backend, "hairpinMode": true}),
    );
    podman.network("lab", &[bridge, configs::tuning(), configs::portmap(backend)])?;
    // What stays for good (the bridge, base chains, lock files, podman's own files) is there after the first round.
    let mut states = Vec::new();
    for _ in 0..2 {
        podman.start(host, "one", "lab", &["--publish", "8080:80"])?;
        podman.start(host, "two", "lab", &[])?;
        let (one, two) = (podman.address("one", "lab")?, podman.address("two", "lab")?);
        ensure!(one != two, "both have {one}");
        let data_dir = PathBuf::from("/run/test/ipam");
        ensure!(host.leases(&data_dir, "lab")?.len() == 2, "{:?}", host.leases(&data_dir, "lab")?);
        let links = podman.run(&["exec", "one", "ip", "address", "show", "eth0"])?;
        ensure!(links.contains(&one), "{links}");
        podman.run(&["exec", "one", "ping", "-c", "1", "-W", "3", &two])?;
        podman.run(&["exec", "two", "ping", "-c", "1", "-W", "3", &one])?;
        podman.run(&["exec", "two", "ping", "-c", "1", "-W", "3", "192.0.2.2"])?;
        for (address, page) in [
            (one.as_str(), traffic::fetch_here(&one, 80)?),
            ("127.0.0.1", traffic::fetch_here("127.0.0.1", 8080)?),
            ("192.0.2.1", outside.namespace.enter(|| traffic::fetch_here("192.0.2.1", 8080))?),
        ] {
            ensure!(page.contains("a page from the container"), "{address}: {page}");
        }
        podman.run(&["rm", "--force", "--time", "0", "one", "two"])?;
        ensure!(host.leases(&data_dir, "lab")?.is_empty(), "addresses stay: {:?}", host.leases(&data_dir, "lab")?);
        ensure!(traffic::tcp_here("127.0.0.1", 8080).is_err(), "the port is still published");
        let state = Snapshot::take_with(&[&outside.namespace], &[])?;
        // The address last given out moves on, and a bridge without ports takes another state.
        states.push(state);
    }
    states[0].assert_same(&states[1])
}

fn own_network(host: &Host, programs: &Programs) -> Result<()> {
    let podman = Podman::new(host, programs)?;
    podman.run(&["network", "create", "--subnet", "10.99.9.0/24", "--ipv6", "--subnet", "fd00:88:9::/64", "own"])?;
    let written = std::fs::read_to_string(podman.networks.join("own.conflist"))?;
    for plugin in ["bridge", "portmap", "firewall", "tuning"] {
        ensure!(written.contains(&format!("\"{plugin}\"")), "{written}");
    }
    podman.start(host, "one", "own", &["--publish", "8081:80"])?;
    podman.start(host, "two", "own", &[])?;
    let two = podman.address("two", "own")?;
    podman.run(&["exec", "one", "ping", "-c", "1", "-W", "3", &two])?;
    let page = traffic::fetch_here("127.0.0.1", 8081)?;
    ensure!(page.contains("a page from the container"), "{page}");
    podman.run(&["rm", "--force", "--time", "0", "one", "two"])?;
    let left =
        std::fs::read_dir("/var/lib/cni/networks/own")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let left: Vec<_> = left.filter(|name| name.parse::<std::net::IpAddr>().is_ok()).collect();
    ensure!(left.is_empty(), "addresses stay: {left:?}");
    Ok(())
}
