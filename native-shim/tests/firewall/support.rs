//! Private network namespaces, and programs that look at them from outside the code under test.

use std::process::Command;

use libtest_mimic::Trial;
use nix::sched::{CloneFlags, unshare};
use weir_native::netns::Netns;

/// Make sure of power over new network namespaces: as root, or as root of a new user namespace.
pub(crate) fn become_root() -> Result<(), String> {
    let (user, group) = (nix::unistd::getuid(), nix::unistd::getgid());
    if !user.is_root() {
        // With a network of its own to come back to: the way back to that of the real root is barred.
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("not root, and no user namespace: {errno}"))?;
        std::fs::write("/proc/self/setgroups", "deny").map_err(|error| error.to_string())?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).map_err(|error| error.to_string())?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1")).map_err(|error| error.to_string())?;
    }
    Netns::create().map(drop).map_err(|error| error.to_string())
}

/// A test that gets a namespace with nothing in it but a loopback interface that is down.
pub(crate) fn test(name: &'static str, body: impl Fn(&Netns) + Send + 'static) -> Trial {
    Trial::test(name, move || {
        body(&Netns::create().expect("a network namespace"));
        Ok(())
    })
}

/// Run a program inside a namespace; its standard output. It must succeed.
pub(crate) fn run(namespace: &Netns, words: &[&str]) -> String {
    let output = namespace.enter(|| command(words).output()).unwrap().expect("the program is there");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// The rule set as nft(8) prints it, without the indentation.
pub(crate) fn ruleset(namespace: &Netns) -> String {
    let text = run(namespace, &["nft", "-n", "list", "ruleset"]);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
