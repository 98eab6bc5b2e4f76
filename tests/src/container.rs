//! A container as a network plugin sees it: a network namespace with a path.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::host::{parse_json, read_sysctl, run, set_up_namespace};

/// A network namespace that is mounted at a path until it is removed or its host ends.
#[derive(Debug)]
pub struct Container {
    /// Its container ID.
    pub id: String,
    /// What CNI_NETNS says.
    pub path: PathBuf,
    namespace: File,
}

impl Container {
    /// Make a namespace and mount it at `/run/netns/<name>`.
    pub fn new(name: &str) -> Result<Self> {
        let path = Path::new("/run/netns").join(name);
        File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let made = std::thread::scope(|scope| {
            let thread = scope.spawn(|| -> Result<File> {
                unshare(CloneFlags::CLONE_NEWNET)?;
                set_up_namespace()?;
                let own = "/proc/thread-self/ns/net";
                mount(Some(own), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
                Ok(File::open(own)?)
            });
            thread.join().unwrap_or_else(|_| Err(anyhow!("the thread died")))
        });
        let namespace = made.with_context(|| format!("make the namespace {name}"))?;
        Ok(Self { id: name.to_owned(), path, namespace })
    }

    /// Do something inside the namespace, in a thread of its own.
    pub fn enter<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
                action()
            });
            thread.join().unwrap_or_else(|_| Err(anyhow!("the thread inside {} panicked", self.id)))
        })
    }

    /// The same namespace for another container ID.
    pub fn known_as(&self, id: &str) -> Result<Self> {
        Ok(Self { id: id.to_owned(), path: self.path.clone(), namespace: self.handle()? })
    }

    /// A handle of the namespace, to enter it from elsewhere.
    pub fn handle(&self) -> Result<File> {
        Ok(self.namespace.try_clone()?)
    }

    /// Run a program inside; what it printed.
    pub fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        self.enter(move || run(program, arguments))
    }

    /// Run a program inside that prints JSON.
    pub fn json<'a>(&self, program: &str, args: impl IntoIterator<Item = &'a str>) -> Result<serde_json::Value> {
        parse_json(&self.run(program, args)?)
    }

    /// Read a setting below /proc/sys as it is inside.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        self.enter(|| read_sysctl(name))
    }

    /// Whether there is a link of this name inside.
    pub fn has_link(&self, name: &str) -> bool {
        self.run("ip", ["link", "show", "dev", name]).is_ok()
    }

    /// What `ip -json -details link show` says of one link inside.
    pub fn link(&self, name: &str) -> Result<serde_json::Value> {
        let links = self.json("ip", ["-json", "-details", "link", "show", "dev", name])?;
        links.get(0).cloned().ok_or_else(|| anyhow!("no link {name} in {}", self.id))
    }

    /// Addresses of a link inside, with prefix length, without link-local ones.
    pub fn addresses(&self, link: &str) -> Result<Vec<String>> {
        let links = self.json("ip", ["-json", "address", "show", "dev", link])?;
        let entries = links.pointer("/0/addr_info").and_then(|list| list.as_array().cloned()).unwrap_or_default();
        let mut addresses = Vec::new();
        for entry in entries.iter().filter(|entry| entry["scope"] != "link") {
            addresses.push(format!("{}/{}", entry["local"].as_str().unwrap_or_default(), entry["prefixlen"]));
        }
        addresses.sort();
        Ok(addresses)
    }

    /// Take the path away, as a runtime does that has stopped the container.
    pub fn unmount(&self) -> Result<()> {
        umount2(&self.path, MntFlags::MNT_DETACH).with_context(|| format!("unmount {}", self.path.display()))?;
        Ok(std::fs::remove_file(&self.path)?)
    }
}
