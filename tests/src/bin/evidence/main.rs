//! What the records of test runs prove: which tests the virtual machine must run, whether anything was left unproved,
//! and the page that shows it.
//!
//! ```text
//! evidence select NATIVE                  the tests for the virtual machine: what was skipped here, and a sample
//! evidence judge NATIVE MACHINE           fail where a test was skipped in both, or a plugin's command nowhere passed
//! evidence page NATIVE MACHINE > PAGE     docs/reference/verified.md
//! ```
//!
//! NATIVE and MACHINE are files written by test programs with WEIR_TESTS_RECORD.

mod page;
mod records;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use records::Record;

/// All commands of the specification; every plugin answers each of them.
const COMMANDS: [&str; 6] = ["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evidence: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let load = |file: &str| records::load(Path::new(file));
    match arguments.as_slice() {
        ["select", native] => {
            for record in load(native)?.iter().filter(|record| belongs_into_the_machine(record)) {
                println!("{} {}", record.program, record.test);
            }
            Ok(())
        }
        ["judge", native, machine] => judge(&load(native)?, &load(machine)?),
        ["page", native, machine] => {
            print!("{}", page::write(&plugins()?, &load(native)?, &load(machine)?));
            Ok(())
        }
        _ => bail!("usage: evidence select NATIVE | judge NATIVE MACHINE | page NATIVE MACHINE"),
    }
}

/// Whose life in the newest version is tried on the other kernel too, because it differs most there. All of them would take
/// ten minutes.
const SAMPLE: [&str; 4] = ["bandwidth", "bridge", "firewall_nftables", "portmap_nftables"];

/// What was skipped, and a sample of the rest.
fn belongs_into_the_machine(record: &Record) -> bool {
    let life = record.test.strip_suffix("_lives_and_leaves_nothing_1.1.0");
    record.is("skipped") || (record.program == "plugins" && life.is_some_and(|life| SAMPLE.contains(&life)))
}

fn judge(native: &[Record], machine: &[Record]) -> Result<()> {
    let mut faults = Vec::new();
    for record in native.iter().filter(|record| record.is("skipped")) {
        if !machine.iter().any(|other| other.names_the_same(record) && other.is("passed")) {
            faults.push(format!("{} {} passed nowhere: here {}", record.program, record.test, record.reason));
        }
    }
    for plugin in plugins()? {
        for command in COMMANDS {
            if [native, machine].iter().all(|records| records::count(records, &plugin, command) == 0) {
                faults.push(format!("no test that passed ran {command} of {plugin} with success"));
            }
        }
    }
    ensure!(faults.is_empty(), "{} things are not proved:\n  {}", faults.len(), faults.join("\n  "));
    let skipped = native.iter().filter(|record| record.is("skipped")).count();
    println!("evidence: each command of each plugin is proved; what was skipped here ({skipped}) ran in the machine");
    Ok(())
}

/// The plugins that the Makefile builds.
fn plugins() -> Result<Vec<String>> {
    let makefile: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Makefile");
    let text = std::fs::read_to_string(&makefile).with_context(|| format!("read {}", makefile.display()))?;
    let plugins = weir_tests::programs::bundled(&text);
    ensure!(!plugins.is_empty(), "no PLUGINS in {}", makefile.display());
    Ok(plugins)
}
