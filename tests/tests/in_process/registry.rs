//! Which plugins run in the process, and what becomes of what is installed meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{alone, bridge, tuning, with};
use weir_tests::{Call, Chain, Host, Programs};

use super::{chain_of_five, copy_of_installed};

/// Instead of the host binary, a program that only says that it ran.
fn replace_host(directory: &Path) -> Result<()> {
    let host = directory.join("weir-cni");
    std::fs::remove_file(&host)?;
    script(&host, "echo executed >>/run/test/executed; exit 3")
}

fn script(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n"))?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

pub(crate) fn not_executed(host: &Host) -> Result<()> {
    let directory = copy_of_installed(host, "bin")?;
    replace_host(&directory)?;
    let programs = Programs::of(&directory).in_process(host)?;
    let (chain, container) = (chain_of_five(&programs), host.container("one")?);
    let result = chain.add(&container)?;
    chain.check(&container, &result)?;
    chain.status()?;
    chain.gc(&[("one", "eth0")])?;
    chain.del(&container, &result)?;
    ensure!(!Path::new("/run/test/executed").exists(), "it was executed");
    // The same directory, for a process that was not told to trust it.
    let executed = Call::new(&Programs::of(&directory), "bridge", "STATUS")?.config(&json!({})).run()?;
    ensure!(executed.status == Some(3), "{executed:?}");
    Ok(())
}

/// A native plugin in the middle of a chain is executed; the others are not.
pub(crate) fn executed(host: &Host) -> Result<()> {
    let directory = copy_of_installed(host, "bin")?;
    replace_host(&directory)?;
    let natives = host.directory("native")?;
    // It passes the result on, as a plugin does that changes nothing.
    let pass = "cat >/run/test/seen\necho $CNI_COMMAND >>/run/test/commands\n\
                [ $CNI_COMMAND = ADD ] && sed 's/.*\"prevResult\"://; s/,\"type\":.*//' /run/test/seen\nexit 0";
    script(&natives.join("native"), pass)?;
    let programs = Programs::of(&directory).in_process(host)?.then(Programs::of(&natives));
    let plugins = [bridge(&["10.91.0.0/24"]), json!({"type": "native"}), tuning()];
    let (chain, container) = (Chain::new(&programs, "net", &plugins), host.container("one")?);
    let result = chain.add(&container)?;
    ensure!(result["ips"][0]["address"].as_str().is_some_and(|ip| ip.starts_with("10.91.0.")), "{result}");
    chain.del(&container, &result)?;
    ensure!(std::fs::read_to_string("/run/test/commands")? == "ADD\nDEL\n", "not executed");
    ensure!(!Path::new("/run/test/executed").exists(), "one of the others was executed");
    // What fails without an error object, and is not there at all.
    script(&natives.join("native"), "exit 9")?;
    let answer = chain.call("DEL", &plugins[1], &result)?.container(&container).run()?;
    ensure!(answer.status.is_none() && answer.stderr.contains("exit status 9"), "{answer:?}");
    Ok(())
}

/// The registry is read for each command: grants that are taken away, and plugins that are, are gone at once.
pub(crate) fn upgrade(host: &Host) -> Result<()> {
    let directory = copy_of_installed(host, "bin")?;
    let programs = Programs::of(&directory).in_process(host)?;
    let container = host.container("one")?;
    let config = alone("1.1.0", &with(&bridge(&["10.92.0.0/24"]), json!({})));
    let call = |command: &str| -> Result<Call> {
        Ok(Call::new(&programs, "bridge", command)?.container(&container).config(&config))
    };
    call("ADD")?.ok()?;
    call("DEL")?.ok()?;
    let path = directory.join(".weir/plugins/bridge.json");
    let whole = std::fs::read(&path)?;
    let mut entry: Value = serde_json::from_slice(&whole)?;
    entry["grants"]["interfaces"] = json!([]);
    std::fs::write(&path, entry.to_string())?;
    ensure!(call("ADD")?.error()?.code == 101, "a grant that was taken away");
    std::fs::write(&path, &whole)?;
    call("ADD")?.ok()?;
    call("DEL")?.ok()?;
    // Mapped code is not used any more once its file was touched, and then its digest is wrong.
    let digest = entry["compiled"]["digest"].as_str().unwrap_or_default().to_owned();
    let code = directory.join(".weir/compiled").join(format!("{digest}.cwasm"));
    ensure!(code.exists(), "{entry}");
    let good = std::fs::read(&code)?;
    std::fs::write(&code, [&good[..], b"x"].concat())?;
    let error = call("ADD")?.error()?;
    ensure!(error.code == 100 && error.msg.contains("digest"), "{error:?}");
    std::fs::write(&code, &good)?;
    call("ADD")?.ok()?;
    call("DEL")?.ok()?;
    std::fs::remove_file(&path)?;
    ensure!(call("ADD")?.error()?.code == 100, "a plugin that was removed");
    Ok(())
}
