//! Plugins in the process of their caller: the same results, the same state of the kernel and the same errors as when they
//! are executed, and a process that stays as it was.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "in_process/errors.rs"]
mod errors;
#[path = "in_process/lasting.rs"]
mod lasting;
#[path = "in_process/limits.rs"]
mod limits;
#[path = "in_process/registry.rs"]
mod registry;
#[path = "in_process/same.rs"]
mod same;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use weir_tests::configs::{bridge, portmap, tuning, with};
use weir_tests::{Chain, Host, Lifecycle, Programs, lifecycle, run, test};

fn main() -> ExitCode {
    let mut tests = vec![
        test("a_chain_of_five_gives_and_makes_the_same_in_process_and_executed", same::chain),
        test("a_network_of_five_comes_and_goes_by_libcni_in_process", same::network),
        test("eight_containers_at_once_in_one_process", same::at_once),
        test("errors_are_the_same_in_process_and_executed", errors::same),
        test("plugins_of_a_trusted_registry_are_not_executed", registry::not_executed),
        test("a_plugin_of_no_trusted_registry_is_executed", registry::executed),
        test("what_is_installed_anew_is_used_at_the_next_command", registry::upgrade),
        test("two_thousand_commands_leave_the_process_as_it_was", lasting::as_it_was),
        test("only_the_thread_of_a_command_is_confined", lasting::confined),
        test("a_command_in_process_that_takes_too_long_is_stopped_and_leaves_nothing", limits::time),
        test("a_command_in_process_can_be_called_off_and_leaves_nothing", limits::cancellation),
    ];
    tests.extend(lifecycle::tests("chain_of_five_in_process", &["0.4.0", "1.0.0", "1.1.0"], |host, _| {
        Ok(Lifecycle::new(chain_of_five(&Programs::weir()?.in_process(host)?)))
    }));
    run(tests)
}

/// What many nodes have.
fn plugins() -> Vec<Value> {
    let masquerade = json!({"ipMasq": true, "ipMasqBackend": "nftables"});
    let limits = json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 800_000});
    let firewall = json!({"type": "firewall", "backend": "nftables"});
    vec![with(&bridge(&["10.90.0.0/24"]), masquerade), portmap("nftables"), tuning(), firewall, limits]
}

fn chain_of_five(programs: &Programs) -> Chain {
    Chain::new(programs, "net", &plugins()).capabilities(ports())
}

fn ports() -> Value {
    json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
}

/// A copy of what is installed, for a test that changes it.
fn copy_of_installed(host: &Host, name: &str) -> Result<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let installed = Programs::weir()?.directories[0].clone();
    let directory = host.directory(name)?;
    let open = |path: &std::path::Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
    open(&directory)?;
    for part in [".weir", ".weir/plugins", ".weir/compiled"] {
        std::fs::create_dir_all(directory.join(part))?;
        open(&directory.join(part))?;
        for entry in std::fs::read_dir(installed.join(part))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), directory.join(part).join(entry.file_name()))?;
            }
        }
    }
    for entry in std::fs::read_dir(&installed)? {
        let entry = entry?;
        let target = directory.join(entry.file_name());
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, target)?;
        } else if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(directory)
}
