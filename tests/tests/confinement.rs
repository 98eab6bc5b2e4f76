//! What the host gives up before it runs a plugin: told by the kernel about a process that is stopped in the middle of
//! a command, and tried out with each of the means.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use weir_native::confinement::{Support, capabilities, landlock, no_new_privileges, seccomp};
use weir_tests::{Call, Host, Programs, run, skip, test};

/// CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN; see linux/capability.h.
const KEPT: u64 = 1 << 1 | 1 << 3 | 1 << 12 | 1 << 13 | 1 << 21;

fn main() -> ExitCode {
    run(vec![
        test("a_process_that_runs_a_plugin_keeps_five_capabilities", few_capabilities),
        test("a_process_that_may_start_a_native_plugin_keeps_all", native_keeps_all),
        test("a_command_that_cannot_be_confined_is_refused", refused_unconfined),
        test("landlock_leaves_only_what_a_rule_names", |_| apart(landlock_holds)),
        test("seccomp_refuses_what_is_not_listed", |_| apart(alone_holds)),
        test("seccomp_lets_programs_start_where_the_host_needs_them", |_| apart(programs_hold)),
        test("capabilities_that_are_given_up_are_gone", |_| apart(capabilities_hold)),
    ])
}

/// In a thread of its own, which takes what was given up with it.
fn apart(check: fn() -> Result<()>) -> Result<()> {
    std::thread::spawn(check).join().map_err(|_| anyhow!("the check panicked"))?
}

/// host-local, held up by somebody who has locked the store; the store's lock and the process.
struct HeldUp {
    child: Child,
    _lock: Flock<fs::File>,
}

impl HeldUp {
    fn new(host: &Host, programs: &Programs) -> Result<Self> {
        let store = host.directory("ipam")?;
        fs::create_dir(store.join("net"))?;
        let lock = fs::File::create(store.join("net/lock"))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "host-local",
            "ipam": {"type": "host-local", "dataDir": store, "ranges": [[{"subnet": "10.1.0.0/24"}]]}});
        let container = host.container("c1")?;
        let mut child = Command::new(programs.find("host-local")?)
            .env_clear()
            .env("CNI_COMMAND", "ADD")
            .env("CNI_CONTAINERID", "c1")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", &container.path)
            .env("CNI_PATH", programs.cni_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        child.stdin.take().context("no standard input")?.write_all(config.to_string().as_bytes())?;
        let held = Self { child, _lock: lock };
        held.await_lock()?;
        Ok(held)
    }

    /// Wait until the process waits for the lock: the plugin's code has run up to there.
    fn await_lock(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let waits = fs::read_to_string("/proc/locks")?
                .lines()
                .any(|line| line.contains("->") && line.contains(&format!(" {} ", self.child.id())));
            if waits {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(anyhow!("host-local does not wait for the lock: {}", self.status("State")?))
    }

    fn status(&self, key: &str) -> Result<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("no {key} in {status}"))?.trim().to_owned())
    }

    fn capabilities(&self, key: &str) -> Result<u64> {
        Ok(u64::from_str_radix(&self.status(key)?, 16)?)
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn few_capabilities(host: &Host) -> Result<()> {
    let held = HeldUp::new(host, &Programs::weir()?)?;
    for set in ["CapPrm", "CapEff"] {
        ensure!(held.capabilities(set)? & !KEPT == 0, "{set}: {}", held.status(set)?);
    }
    for set in ["CapInh", "CapAmb"] {
        ensure!(held.capabilities(set)? == 0, "{set}: {}", held.status(set)?);
    }
    ensure!(held.status("NoNewPrivs")? == "1");
    ensure!(held.status("Seccomp")? == "2", "Seccomp: {}", held.status("Seccomp")?);
    Ok(())
}

/// The control of the test above, and what the reference says of native plugins.
fn native_keeps_all(host: &Host) -> Result<()> {
    let directory = host.directory("bin")?;
    let dist = weir_tests::programs::dist();
    for (plugin, options) in [("host-local", &[][..]), ("bridge", &["--allow-native", "static"][..])] {
        let installed = Command::new(dist.join("bin/weir"))
            .args(["install", "--grant-requested", "--bin-dir"])
            .arg(&directory)
            .args(options)
            .arg(dist.join(format!("plugins/{plugin}.wasm")))
            .output()?;
        ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    }
    let programs = Programs::of(directory);
    let container = host.container("c2")?;
    let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br7",
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.2/24"}]}});
    // Were the process confined, the native plugin could not be started, or not be found.
    let native = host.directory("native")?;
    let script = native.join("static");
    fs::write(
        &script,
        "#!/bin/sh\ngrep -q '^Seccomp:.0' /proc/self/status && grep -q '^NoNewPrivs:.0' /proc/self/status \\\n  \
        && echo '{\"cniVersion\": \"1.1.0\", \"ips\": [{\"address\": \"10.1.0.2/24\"}]}'\n",
    )?;
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let path = format!("{}:{}", programs.cni_path(), native.display());
    Call::new(&programs, "bridge", "ADD")?.container(&container).config(&config).env("CNI_PATH", path).ok()?;
    Ok(())
}

/// The kernel takes so many rulesets of a process and of those that it comes from.
const MOST_RULESETS: usize = 16;

/// The command's own ruleset is one too many for the kernel: so each command has one, and none runs without.
fn refused_unconfined(host: &Host) -> Result<()> {
    landlock::version()?.ok_or_else(|| skip("this kernel has no landlock"))?;
    let directory = host.directory("bin")?;
    let dist = weir_tests::programs::dist();
    let installed = Command::new(dist.join("bin/weir"))
        .args(["install", "--grant-requested", "--bin-dir"])
        .arg(&directory)
        .arg(dist.join("plugins/loopback.wasm"))
        .output()?;
    ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let policy = directory.join(".weir/policy.json");
    let programs = Programs::of(directory);
    let container = host.container("c3")?;
    let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "loopback"});
    let call =
        || -> Result<Call> { Ok(Call::new(&programs, "loopback", "ADD")?.container(&container).config(&config)) };
    let in_rulesets = || -> Result<()> {
        no_new_privileges()?;
        let all = [rule(Path::new("/"), landlock::Access::Write), rule(Path::new("/"), landlock::Access::Execute)];
        let scope = landlock::Scope { signals: false, abstract_sockets: false, tcp: false };
        for _ in 1..MOST_RULESETS {
            ensure!(landlock::restrict(&all, scope)? == Support::Enforced);
        }
        call()?.ok()?;
        landlock::restrict(&all, scope)?;
        let error = call()?.run()?.error()?;
        ensure!(error.code == 100 && error.msg.contains("loopback"), "{error:?}");
        fs::write(&policy, r#"{"confinement": "best-effort"}"#)?;
        call()?.ok().map(drop)
    };
    std::thread::scope(|scope| scope.spawn(in_rulesets).join()).map_err(|_| anyhow!("the check panicked"))?
}

fn rule(path: &Path, access: landlock::Access) -> landlock::Rule {
    landlock::Rule { path: path.to_owned(), access }
}

fn landlock_holds() -> Result<()> {
    use landlock::Access;
    let version = landlock::version()?.ok_or_else(|| skip("this kernel has no landlock"))?;
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    for name in ["written", "read", "used", "tidied/empty", "tidied/full/file", "hidden"] {
        fs::create_dir_all(at(name))?;
        fs::write(at(name).join("file"), "1")?;
    }
    fs::remove_file(at("tidied/empty/file"))?;
    no_new_privileges()?;
    let rules = [
        rule(&at("written"), Access::Write),
        rule(&at("read"), Access::Read),
        rule(&at("used"), Access::Use),
        rule(&at("tidied"), Access::RemoveEmpty),
        rule(&at("missing"), Access::Write),
    ];
    let scope = landlock::Scope { signals: true, abstract_sockets: true, tcp: true };
    ensure!(landlock::restrict(&rules, scope)? == Support::Enforced);
    let denied = |what: &str, outcome: std::io::Result<()>| match outcome {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => Err(anyhow!("{what}: {other:?}")),
    };
    fs::write(at("written/new"), "1")?;
    fs::rename(at("written/new"), at("written/newer"))?;
    fs::create_dir(at("written/directory"))?;
    fs::remove_dir_all(at("written/directory"))?;
    ensure!(fs::read(at("read/file"))? == b"1");
    denied("write a file that may be read", fs::write(at("read/file"), "2"))?;
    denied("create beside it", fs::write(at("read/new"), "2"))?;
    fs::write(at("used/file"), "2")?;
    denied("create where files may be used", fs::write(at("used/new"), "2"))?;
    denied("remove there", fs::remove_file(at("used/file")))?;
    fs::remove_dir(at("tidied/empty"))?;
    denied("remove a file where directories may be", fs::remove_file(at("tidied/full/file/file")))?;
    denied("read what no rule names", fs::read(at("hidden/file")).map(drop))?;
    denied("list what no rule names", fs::read_dir(at("hidden")).map(drop))?;
    denied("start a program", Command::new("/bin/true").status().map(drop))?;
    denied("read /etc/shadow", fs::read("/etc/shadow").map(drop))?;
    if version >= 4 {
        denied("listen", std::net::TcpListener::bind("127.0.0.1:0").map(drop))?;
    }
    if version >= 6 {
        let parent = nix::unistd::getppid();
        let sent = nix::sys::signal::kill(parent, None);
        ensure!(sent == Err(nix::Error::EPERM), "a signal to {parent}: {sent:?}");
    }
    Ok(())
}

fn refused<T: std::fmt::Debug>(what: &str, outcome: nix::Result<T>) -> Result<()> {
    ensure!(matches!(outcome, Err(nix::Error::EPERM)), "{what}: {outcome:?}");
    Ok(())
}

/// What every profile refuses. Root may do all of it otherwise.
fn never() -> Result<()> {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, setns, unshare};
    refused("ptrace", nix::sys::ptrace::traceme())?;
    refused("mount", mount(None::<&str>, "/run", Some("tmpfs"), MsFlags::empty(), None::<&str>))?;
    refused("umount", nix::mount::umount("/run"))?;
    refused("unshare", unshare(CloneFlags::CLONE_NEWNS))?;
    refused("chroot", nix::unistd::chroot("/"))?;
    refused("sethostname", nix::unistd::sethostname("other"))?;
    let namespace = fs::File::open("/proc/self/ns/mnt")?;
    refused("setns of any kind", setns(&namespace, CloneFlags::empty()))?;
    let namespace = fs::File::open("/proc/thread-self/ns/net")?;
    setns(&namespace, CloneFlags::CLONE_NEWNET)?;
    let vsock = nix::sys::socket::AddressFamily::Vsock;
    let flags = nix::sys::socket::SockFlag::empty();
    refused(
        "a socket of the hypervisor",
        nix::sys::socket::socket(vsock, nix::sys::socket::SockType::Stream, flags, None),
    )
}

fn alone_holds() -> Result<()> {
    no_new_privileges()?;
    ensure!(seccomp::install(seccomp::Profile::Alone)? == Support::Enforced);
    never()?;
    let started = Command::new("/bin/true").status();
    ensure!(started.as_ref().is_err_and(|e| e.kind() == ErrorKind::PermissionDenied), "a program: {started:?}");
    Ok(())
}

fn programs_hold() -> Result<()> {
    no_new_privileges()?;
    ensure!(seccomp::install(seccomp::Profile::WithPrograms)? == Support::Enforced);
    never()?;
    ensure!(Command::new("/bin/true").status()?.success());
    // It is inherited.
    let status = Command::new("/bin/grep").args(["^Seccomp:", "/proc/self/status"]).output()?;
    ensure!(String::from_utf8_lossy(&status.stdout).trim().ends_with('2'), "{status:?}");
    Ok(())
}

fn capabilities_hold() -> Result<()> {
    no_new_privileges()?;
    let kept = capabilities::Capabilities::NET_ADMIN | capabilities::Capabilities::NET_RAW;
    capabilities::keep(kept, false)?;
    let of = |status: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("no CapEff")?;
        Ok(u64::from_str_radix(line.trim(), 16)?)
    };
    ensure!(of(&fs::read_to_string("/proc/thread-self/status")?)? == kept.bits());
    // Programs get no more, although the file belongs to root and so do we.
    let program = Command::new("/bin/cat").arg("/proc/self/status").output()?;
    ensure!(of(&String::from_utf8_lossy(&program.stdout))? == kept.bits());
    Ok(())
}
