//! "The host" of one test: a network and a mount namespace of its own, for the thread that the test runs in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, anyhow, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::container::Container;
use crate::harness::skip;
use crate::privileges::{self, Privileges};

/// Where the upper layers of the host's own files are.
const LAYERS: &str = "/run/lab";

/// The namespaces of this thread. They end with the thread and with what it started.
#[derive(Debug)]
pub struct Host {
    _private: (),
}

/// The network beyond the host: 192.0.2.2 and 2001:db8:ff::2, reached from 192.0.2.1 and 2001:db8:ff::1, without
/// routes to any container.
#[derive(Debug)]
pub struct Outside {
    /// The namespace in which it is.
    pub namespace: Container,
}

impl Outside {
    /// Its IPv4 address.
    pub const V4: &str = "192.0.2.2";
    /// Its IPv6 address.
    pub const V6: &str = "2001:db8:ff::2";
    /// The host's IPv4 address towards it.
    pub const HOST_V4: &str = "192.0.2.1";
    /// The host's IPv6 address towards it.
    pub const HOST_V6: &str = "2001:db8:ff::1";
}

impl Host {
    /// Give this thread namespaces of its own: empty /run, changes to /etc, /opt and /var/lib kept in memory, `lo` up.
    pub fn new() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("unshare the host of a test")?;
        make_mounts_private()?;
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).context("mount /run")?;
        for directory in ["/etc", "/opt", "/var/lib"] {
            let layer = Path::new(LAYERS).join(directory.trim_start_matches('/').replace('/', "-"));
            let (upper, work) = (layer.join("upper"), layer.join("work"));
            std::fs::create_dir_all(&upper)?;
            std::fs::create_dir_all(&work)?;
            // The names of the layers stay readable in /proc/mounts; no character in them needs an escape.
            let options = format!("lowerdir={directory},upperdir={},workdir={}", upper.display(), work.display());
            let mounted = mount(Some("overlay"), directory, Some("overlay"), MsFlags::empty(), Some(options.as_str()));
            if let Err(error) = mounted {
                let reason = format!("no overlay can be mounted on {directory} here: {error}");
                let lacks_rights = privileges::current() != Privileges::Root;
                return Err(if lacks_rights { skip(reason) } else { anyhow!(reason) });
            }
        }
        // What the machine itself has there is not the test's.
        for directory in ["/etc/cni", "/opt/cni", "/var/lib/cni", "/run/netns", "/run/cni"] {
            std::fs::create_dir_all(directory)?;
            if !directory.starts_with("/run") {
                mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
            }
        }
        set_up_namespace()?;
        Ok(Self { _private: () })
    }

    /// Make a container: a network namespace with a name.
    pub fn container(&self, name: &str) -> Result<Container> {
        Container::new(name)
    }

    /// Connect the host to a network beyond it.
    pub fn outside(&self) -> Result<Outside> {
        let namespace = Container::new("outside")?;
        self.run("ip", ["link", "add", "uplink", "type", "veth", "peer", "name", "out0", "netns", "outside"])?;
        let host = [("192.0.2.1/24", "2001:db8:ff::1/64")];
        for (v4, v6) in host {
            self.run("ip", ["address", "add", v4, "dev", "uplink"])?;
            self.run("ip", ["address", "add", v6, "dev", "uplink", "nodad"])?;
            self.run("ip", ["link", "set", "uplink", "up"])?;
        }
        namespace.run("ip", ["address", "add", "192.0.2.2/24", "dev", "out0"])?;
        namespace.run("ip", ["address", "add", "2001:db8:ff::2/64", "dev", "out0", "nodad"])?;
        namespace.run("ip", ["link", "set", "out0", "up"])?;
        Ok(Outside { namespace })
    }

    /// Run a program on the host; what it printed.
    pub fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
        run(program, arguments)
    }

    /// Run a program on the host that prints JSON.
    pub fn json<'a>(&self, program: &str, args: impl IntoIterator<Item = &'a str>) -> Result<serde_json::Value> {
        parse_json(&run(program, args)?)
    }

    /// Whether the host has a link of this name.
    pub fn has_link(&self, name: &str) -> bool {
        run("ip", ["link", "show", "dev", name]).is_ok()
    }

    /// Read a setting below /proc/sys, for example `net/ipv4/ip_forward`.
    pub fn sysctl(&self, name: &str) -> Result<String> {
        read_sysctl(name)
    }

    /// The names of the files that hand out addresses of a network.
    pub fn leases(&self, data_dir: &Path, network: &str) -> Result<Vec<String>> {
        let Ok(entries) = std::fs::read_dir(data_dir.join(network)) else { return Ok(Vec::new()) };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names: Vec<_> = names.collect::<Result<Vec<_>>>()?;
        names.retain(|name| name.parse::<std::net::IpAddr>().is_ok());
        names.sort();
        Ok(names)
    }

    /// A directory in memory for this test's files.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = Path::new("/run/test").join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Skip the test where the kernel cannot make links of this kind. Arguments that begin with `link NAME` say what it
    /// stands on.
    pub fn require_link(&self, kind: &str, arguments: &[&str]) -> Result<()> {
        if kind == "tap" {
            return require_tap();
        }
        // ip(8) takes these before the type, and all others after it.
        let (lower, own) = arguments.split_at(if arguments.first() == Some(&"link") { 2 } else { 0 });
        let add = [&["link", "add"], lower, &["name", "probe", "type", kind], own].concat();
        match run("ip", add) {
            Ok(_) => run("ip", ["link", "delete", "dev", "probe"]).map(drop),
            Err(error) => {
                let (what, text) = ([&[kind], own].concat().join(" "), error.to_string());
                let cause = text.rsplit(": ").next().unwrap_or_default();
                Err(skip(format!("this kernel makes no link of type {what}: {cause}")))
            }
        }
    }
}

/// Skip the test where this user may not make tap links. Most systems let everybody open the device.
pub fn require_tap() -> Result<()> {
    let device = "/dev/net/tun";
    match std::fs::File::options().read(true).write(true).open(device) {
        Ok(_) => Ok(()),
        Err(error) => Err(skip(format!("no tap links: open {device}: {error}"))),
    }
}

/// Keep mounts of this thread away from everybody else's.
pub(crate) fn make_mounts_private() -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).context("make mounts private")
}

/// For a fresh network namespace of this thread: `lo` up, and no waiting for duplicate address detection.
pub(crate) fn set_up_namespace() -> Result<()> {
    run("ip", ["link", "set", "lo", "up"])?;
    for family in ["all", "default"] {
        // Absent where the kernel has no IPv6.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{family}/accept_dad"), "0");
    }
    Ok(())
}

/// Run a program in the namespaces of this thread; what it printed.
pub(crate) fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<String> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let output = output(Command::new(program).args(&arguments))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let text = format!("{} {}", stderr.trim(), stdout.trim());
        bail!("{program} {}: {}: {}", arguments.join(" "), output.status, text.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin:/usr/bin:/bin"));
    command.stdin(std::process::Stdio::null());
    command.output().with_context(|| format!("run {}", command.get_program().to_string_lossy()))
}

pub(crate) fn parse_json(text: &str) -> Result<serde_json::Value> {
    if text.trim().is_empty() {
        return Ok(serde_json::Value::Array(Vec::new()));
    }
    serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))
}

pub(crate) fn read_sysctl(name: &str) -> Result<String> {
    let path = format!("/proc/sys/{name}");
    Ok(std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?.trim().to_owned())
}
