//! The whole life of an attachment, in every way in which a runtime may end it: nothing is left.
//!
//! A plugin's tests give the network and what it needs on the host:
//!
//! ```no_run
//! # use serde_json::json;
//! # use weir_tests::{Chain, Lifecycle, Programs, Test, configs};
//! fn tests() -> Vec<Test> {
//!     weir_tests::lifecycle::tests("macvlan", &configs::VERSIONS, |host, _| {
//!         host.run("ip", ["link", "add", "eth1", "type", "veth", "peer", "name", "eth1-peer"])?;
//!         let plugin = json!({"type": "macvlan", "master": "eth1", "ipam": configs::host_local(&["10.1.0.0/24"])});
//!         Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &[plugin])))
//!     })
//! }
//! ```

use std::any::Any;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::chain::Chain;
use crate::container::Container;
use crate::harness::{Test, test};
use crate::host::Host;
use crate::snapshot::Snapshot;

/// How an attachment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// ADD, CHECK, GC that spares it, STATUS, DEL, and DEL again.
    Complete,
    /// DEL without CNI_NETNS.
    WithoutNamespace,
    /// DEL with the path of a namespace that is gone.
    NamespaceGone,
    /// DEL without `prevResult`.
    WithoutResult,
    /// DEL with neither.
    WithoutResultAndNamespace,
    /// The container ends without DEL, and GC is told of no attachment.
    Collected,
}

const WAYS: [(&str, Way); 6] = [
    ("complete", Way::Complete),
    ("no-namespace", Way::WithoutNamespace),
    ("vanished", Way::NamespaceGone),
    ("no-result", Way::WithoutResult),
    ("nothing", Way::WithoutResultAndNamespace),
    ("collected", Way::Collected),
];

type Preparation = Box<dyn Fn(&Host, &Container) -> Result<()>>;
type Predicate = Box<dyn Fn(&str) -> bool>;

/// A network whose attachments come and go.
pub struct Lifecycle {
    pub(crate) chain: Chain,
    prepare: Preparation,
    stays: Predicate,
    ends: Predicate,
    /// What must live as long as the test.
    kept: Vec<Box<dyn Any>>,
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// One test for each version, named `<plugin>_lives_and_leaves_nothing_<version>`. `life` prepares the host and gives the
/// network; the version is set here.
pub fn tests(
    plugin: &str,
    versions: &[&'static str],
    life: impl Fn(&Host, &str) -> Result<Lifecycle> + Copy + Send + 'static,
) -> Vec<Test> {
    let named = |version: &&'static str| {
        let version = *version;
        test(format!("{plugin}_lives_and_leaves_nothing_{version}"), move |host| {
            if version == "1.1.0" && crate::Programs::weir()?.are_native() {
                return Err(crate::skip("the stand-ins know no 1.1.0"));
            }
            life(host, version)?.run(host, version)
        })
    };
    versions.iter().map(named).collect()
}

impl Lifecycle {
    /// Of this network.
    pub fn new(chain: Chain) -> Self {
        Self {
            chain,
            prepare: Box::new(|_, _| Ok(())),
            stays: Box::new(|_| false),
            ends: Box::new(|_| false),
            kept: Vec::new(),
        }
    }

    /// Done for each new container before its ADD: what the administrator or the runtime provides.
    pub fn prepare(mut self, prepare: impl Fn(&Host, &Container) -> Result<()> + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Parts of the [`Snapshot`] that may change, by their names (`host: link "x"`, `file /run/..`), besides what the first
    /// attachment leaves for all others, such as a bridge, and the mark of the last address given out.
    pub fn may_change(mut self, stays: impl Fn(&str) -> bool + 'static) -> Self {
        self.stays = Box::new(stays);
        self
    }

    /// Parts of the [`Snapshot`] that may end with a container's namespace, such as a device of the host's that was moved
    /// there and is none of hardware.
    pub fn may_end_with_container(mut self, ends: impl Fn(&str) -> bool + 'static) -> Self {
        self.ends = Box::new(ends);
        self
    }

    /// Keep something alive for as long as the test runs, such as a server.
    pub fn keep(mut self, thing: impl Any) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    /// Run all of it in a version.
    pub fn run(mut self, host: &Host, version: &str) -> Result<()> {
        self.chain = self.chain.version(version);
        // A first round makes what stays for good, and shows what fails at all.
        let first = self.container(host, "first")?;
        let result = self.chain.add(&first).context("the first ADD")?;
        shape(version, &result)?;
        self.chain.del(&first, &result).context("the first DEL")?;
        first.unmount()?;
        drop(first);
        for (name, way) in WAYS {
            if way != Way::Collected || version == "1.1.0" {
                self.end(host, name, way).with_context(|| format!("{way:?} in version {version}"))?;
            }
        }
        Ok(())
    }

    /// A container, prepared.
    pub(crate) fn container(&self, host: &Host, name: &str) -> Result<Container> {
        let container = host.container(name)?;
        (self.prepare)(host, &container).with_context(|| format!("prepare for container {name}"))?;
        Ok(container)
    }

    /// What is there, without what may change.
    pub(crate) fn state(&self, containers: &[&Container]) -> Result<Snapshot> {
        let changes = |name: &str| {
            name.starts_with("file /run/netns/")
                || name.contains("last_reserved_ip")
                || name.contains(".weir-index")
                || (self.stays)(name)
        };
        Ok(Snapshot::take(containers)?.with_processes()?.without(changes))
    }

    /// What is there, without what may change and what may end with a container.
    pub(crate) fn state_without_containers(&self) -> Result<Snapshot> {
        Ok(self.state(&[])?.without(&self.ends))
    }

    fn end(&self, host: &Host, name: &str, way: Way) -> Result<()> {
        let chain = &self.chain;
        let one = self.container(host, name)?;
        let before = self.state(&[])?;
        if way == Way::Complete {
            self.complete(&one)?;
        } else {
            let result = chain.add(&one).context("ADD")?;
            match way {
                Way::Complete => {}
                Way::WithoutNamespace => chain.del_without_namespace(&one, &result)?,
                Way::NamespaceGone => {
                    one.unmount()?;
                    chain.del(&one, &result)?;
                }
                Way::WithoutResult => chain.del(&one, &Value::Null)?,
                Way::WithoutResultAndNamespace => chain.del_without_namespace(&one, &Value::Null)?,
                Way::Collected => {
                    one.unmount()?;
                    chain.gc(&[]).context("GC")?;
                }
            }
        }
        // A container's end takes its links; where DEL had no way to reach it, it is the runtime that ends it.
        if one.path.exists() {
            one.unmount()?;
        }
        drop(one);
        before.await_same(|| self.state(&[]))
    }

    fn complete(&self, one: &Container) -> Result<()> {
        let (chain, version) = (&self.chain, self.chain.version.as_str());
        let before = self.state(&[one])?;
        let result = chain.add(one).context("ADD")?;
        let added = self.state(&[one])?;
        let unchanged = |command: &str| {
            added.assert_same(&self.state(&[one])?).with_context(|| format!("{command} must change nothing"))
        };
        if matches!(version, "0.4.0" | "1.0.0" | "1.1.0") {
            chain.check(one, &result).context("CHECK")?;
            unchanged("CHECK")?;
        } else {
            chain.assert_refused("CHECK", one)?;
        }
        if version == "1.1.0" {
            chain.gc(&[(one.id.as_str(), "eth0")]).context("GC that spares it")?;
            unchanged("GC that spares it")?;
            chain.status().context("STATUS")?;
            unchanged("STATUS")?;
            chain.check(one, &result).context("CHECK after GC")?;
        } else {
            chain.assert_refused("GC", one)?;
            chain.assert_refused("STATUS", one)?;
        }
        chain.del(one, &result).context("DEL")?;
        before.await_same(|| self.state(&[one])).context("after DEL")?;
        chain.del(one, &result).context("DEL again")?;
        before.await_same(|| self.state(&[one])).context("after DEL again")
    }
}

/// Results look as each version's specification says.
pub fn shape(version: &str, result: &Value) -> Result<()> {
    let has = |value: &Value, key: &str| value.get(key).is_some();
    ensure!(result.get("cniVersion").is_some_and(|found| found == version), "not version {version}: {result}");
    let list = |key: &str| result.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    if matches!(version, "0.1.0" | "0.2.0") {
        for key in ["interfaces", "ips", "routes"] {
            ensure!(!has(result, key), "{key} did not exist in {version}: {result}");
        }
        return Ok(());
    }
    for ip in list("ips") {
        ensure!(has(&ip, "version") == version.starts_with("0."), "ips[].version: {result}");
        let address = ip.get("address").and_then(Value::as_str).unwrap_or_default();
        ensure!(address.contains('/'), "ips[].address: {result}");
        let index = ip.get("interface").and_then(Value::as_u64).unwrap_or_default();
        ensure!(!has(&ip, "interface") || index < list("interfaces").len() as u64, "ips[].interface: {result}");
    }
    for interface in list("interfaces") {
        ensure!(has(&interface, "name") && has(&interface, "mac"), "interfaces[]: {result}");
        let newer = ["mtu", "socketPath", "pciID"].iter().any(|key| has(&interface, key));
        ensure!(!newer || version.starts_with("1."), "a field of 1.1.0: {result}");
    }
    Ok(())
}
