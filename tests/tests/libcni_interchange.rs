//! The cache of attachments changes hands between Go's libcni and ours: podman and containerd write what `weir` reads,
//! checks and deletes, and delete what `weir` wrote.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::containerd::{self, Containerd, await_leases};
use weir_tests::podman::Podman;
use weir_tests::runtime::{Runtime, succeed};
use weir_tests::{Host, Programs, configs, rootfs, run, test, traffic};

/// Where both keep their caches; memory of the test's own there.
const CACHE: &str = "/var/lib/cni";
/// What the plugin `tuning` read at its last DEL.
const LAST_DEL: &str = "/run/test/last-del";
const IPAM: &str = "/run/test/ipam";

fn main() -> ExitCode {
    run(vec![
        test("what_podman_remembers_is_read_checked_and_deleted", of_podman),
        test("podman_deletes_what_we_remember", by_podman),
        test("what_containerd_remembers_is_read_checked_and_deleted", of_containerd),
        test("containerd_deletes_what_we_remember", by_containerd),
    ])
}

/// Links to all plugins, where `tuning` writes down what it gets at DEL.
fn plugins(host: &Host) -> Result<Programs> {
    let (directory, weir) = (host.directory("plugins")?, Programs::weir()?);
    for plugin in ["bridge", "host-local", "portmap", "loopback"] {
        symlink(weir.find(plugin)?, directory.join(plugin))?;
    }
    let tuning = directory.join("tuning");
    let text = format!(
        "#!/bin/sh\nif [ \"$CNI_COMMAND\" = DEL ]; then tee {LAST_DEL} | {tuning}; else exec {tuning}; fi\n",
        tuning = weir.find("tuning")?.display()
    );
    std::fs::write(&tuning, text)?;
    std::fs::set_permissions(&tuning, PermissionsExt::from_mode(0o755))?;
    Ok(Programs::of(directory))
}

fn chain(subnet: &str) -> Vec<Value> {
    vec![configs::bridge(&[subnet]), configs::tuning(), configs::portmap("nftables")]
}

/// An attachment, as another runtime named it.
struct Attachment {
    runtime: Runtime,
    network: &'static str,
    id: String,
    namespace: String,
    if_name: &'static str,
}

impl Attachment {
    fn run(&self, verb: &str) -> Result<Value> {
        let mut command = self.runtime.command(verb, &[self.network.as_ref(), self.namespace.as_ref()]);
        command.args(["--container-id", &self.id, "--ifname", self.if_name]);
        succeed(&mut command).with_context(|| format!("weir {verb} {} of {}", self.if_name, self.id))
    }

    fn file(&self) -> PathBuf {
        Path::new(CACHE).join("results").join(format!("{}-{}-{}", self.network, self.id, self.if_name))
    }

    /// The entry, as its file has it.
    fn entry(&self) -> Result<Value> {
        let text = std::fs::read(self.file()).with_context(|| format!("read {}", self.file().display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Ours lists what the file says, and knows the result.
    fn assert_listed(&self) -> Result<()> {
        let shown = succeed(&mut self.runtime.command("attachments", &["--container-id".as_ref(), self.id.as_ref()]))?;
        let listed = shown["attachments"].as_array().with_context(|| format!("no list: {shown}"))?;
        let same = |shown: &&Value| {
            [("network", self.network), ("containerId", &self.id), ("ifName", self.if_name)]
                .iter()
                .all(|(key, value)| shown[key] == **value)
        };
        ensure!(listed.iter().filter(same).count() == 1, "{shown}");
        ensure!(shown["damaged"].as_array().is_none_or(Vec::is_empty), "{shown}");
        let entry = self.entry()?;
        let (result, shown) = (&entry["result"], self.run("result")?);
        ensure!(result["ips"] == shown["ips"] && !result["ips"].is_null(), "{result} is shown as {shown}");
        Ok(())
    }

    /// Ours makes the attachment anew in place of the other's, so that the entry is ours. That from before.
    fn take_over(&self) -> Result<Value> {
        let theirs = self.entry()?;
        self.run("del")?;
        ensure!(!self.file().exists(), "DEL does not forget");
        let result = self.run("add")?;
        let ours = self.entry()?;
        for key in ["kind", "containerId", "ifName", "networkName", "config"] {
            ensure!(ours[key] == theirs[key] && ours[key].is_string(), "{key}: {ours} in place of {theirs}");
        }
        ensure!(ours["result"] == result, "{ours} for {result}");
        Ok(result)
    }

    /// The other's DEL has used what ours remembered, and has forgotten it.
    fn assert_deleted_with(&self, host: &Host, result: &Value) -> Result<()> {
        let text = std::fs::read(LAST_DEL).context("there was no DEL of tuning")?;
        let last: Value = serde_json::from_slice(&text)?;
        let previous = &last["prevResult"];
        for key in ["cniVersion", "ips", "interfaces", "routes"] {
            ensure!(previous[key] == result[key], "{key}: DEL got {previous}, we remembered {result}");
        }
        ensure!(!self.file().exists(), "the entry is still there");
        let leases = host.leases(Path::new(IPAM), self.network)?;
        ensure!(leases.is_empty(), "addresses stay: {leases:?}");
        Ok(())
    }
}

/// One container of podman's, that publishes a port.
fn with_podman(host: &Host, subnet: &str, then: impl FnOnce(&Podman, Attachment) -> Result<()>) -> Result<()> {
    let programs = plugins(host)?;
    let podman = Podman::new(host, &programs)?;
    podman.network("lab", &chain(subnet))?;
    podman.start(host, "one", "lab", &["--publish", "8080:80"])?;
    let mut runtime = Runtime::new(host, &programs)?;
    (runtime.conf_dir, runtime.cache_dir) = (podman.networks.clone(), CACHE.into());
    runtime.capabilities = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    let shown = |format| podman.run(&["inspect", "--format", format, "one"]);
    let (id, namespace) = (shown("{{.Id}}")?, shown("{{.NetworkSettings.SandboxKey}}")?);
    let one = Attachment { runtime, network: "lab", id, namespace, if_name: "eth0" };
    then(&podman, one)
}

fn published() -> Result<()> {
    let page = traffic::fetch_here("127.0.0.1", 8080)?;
    ensure!(page.contains("a page from the container"), "{page}");
    Ok(())
}

fn of_podman(host: &Host) -> Result<()> {
    with_podman(host, "10.88.3.0/24", |podman, one| {
        one.assert_listed()?;
        published()?;
        one.run("check")?;
        one.run("del")?;
        ensure!(!one.file().exists(), "DEL does not forget");
        ensure!(host.leases(Path::new(IPAM), "lab")?.is_empty(), "the address stays");
        ensure!(published().is_err(), "the port is still published");
        podman.run(&["rm", "--force", "--time", "0", "one"]).map(drop)
    })
}

fn by_podman(host: &Host) -> Result<()> {
    with_podman(host, "10.88.4.0/24", |podman, one| {
        let result = one.take_over()?;
        published()?;
        podman.run(&["rm", "--force", "--time", "0", "one"])?;
        one.assert_deleted_with(host, &result)?;
        ensure!(published().is_err(), "the port is still published");
        Ok(())
    })
}

/// One container of containerd's.
fn with_containerd(
    host: &Host,
    subnet: &str,
    then: impl FnOnce(&Containerd, std::process::Child, Attachment) -> Result<()>,
) -> Result<()> {
    let programs = plugins(host)?;
    let network = json!({"cniVersion": "1.0.0", "name": "lab", "plugins": chain(subnet)});
    let containerd = Containerd::start(host, &programs.directories[0], &network)?;
    let root = host.directory("rootfs")?;
    rootfs::make(&root)?;
    let mut process = containerd.run(&root, "one")?;
    await_leases(host, &mut process, 1)?;
    let mut runtime = Runtime::new(host, &programs)?;
    (runtime.conf_dir, runtime.cache_dir) = (containerd::NETWORKS.into(), CACHE.into());
    // Its version of libcni does not write down the namespace.
    let tasks = containerd.ctr(&["task", "list"])?;
    let task = tasks.lines().find_map(|line| line.strip_prefix("one ")).context("no task")?;
    let process_id = task.split_whitespace().next().context("no process")?;
    let (id, namespace) = ("default-one".to_owned(), format!("/proc/{process_id}/ns/net"));
    let one = Attachment { runtime, network: "lab", id, namespace, if_name: "eth0" };
    then(&containerd, process, one)
}

fn of_containerd(host: &Host) -> Result<()> {
    with_containerd(host, "10.77.1.0/24", |containerd, process, one| {
        one.assert_listed()?;
        one.run("check")?;
        // The configuration that containerd remembered is all that there is now.
        std::fs::remove_file(Path::new(containerd::NETWORKS).join("10-network.conflist"))?;
        one.run("del")?;
        ensure!(!one.file().exists(), "DEL does not forget");
        ensure!(host.leases(Path::new(IPAM), "lab")?.is_empty(), "the address stays");
        containerd.stop("one", process)
    })
}

fn by_containerd(host: &Host) -> Result<()> {
    with_containerd(host, "10.77.2.0/24", |containerd, process, one| {
        let result = one.take_over()?;
        let address =
            result["ips"][0]["address"].as_str().and_then(|net| net.split('/').next()).context("no address")?;
        let page = traffic::fetch_here(address, 80)?;
        ensure!(page.contains("a page from the container"), "{page}");
        containerd.stop("one", process)?;
        one.assert_deleted_with(host, &result)
    })
}
