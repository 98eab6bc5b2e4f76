//! The page `docs/reference/verified.md`.

use std::fmt::Write;

use crate::COMMANDS;
use crate::records::{Record, count};

const HEAD: &str = "# Verified

Which commands of which plugins the tests have run, each against a real kernel: number of tests that passed and in which
the command succeeded, on the machine itself + in the virtual machine of `make test-vm`. Tests that expect an error are
not counted.

This page is generated: `make test test-vm verified` writes it anew. `make test-vm` fails where a command of a plugin is
verified in neither place, or a test was skipped in both.
";

/// The whole page.
pub(crate) fn write(plugins: &[String], native: &[Record], machine: &[Record]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "\n| | kernel | tests passed | skipped |\n| --- | --- | --- | --- |");
    for (place, records) in [("machine", native), ("virtual machine", machine)] {
        let kernel = records.first().map_or("", |record| record.kernel.as_str());
        let number = |outcome: &str| records.iter().filter(|record| record.is(outcome)).count();
        let _ = writeln!(page, "| {place} | {kernel} | {} | {} |", number("passed"), number("skipped"));
    }
    let _ = writeln!(page, "\n| plugin | {} |\n| --- |{}", COMMANDS.join(" | "), " --- |".repeat(COMMANDS.len()));
    for plugin in plugins {
        let _ = write!(page, "| [{plugin}](plugins/{plugin}.md) |");
        for command in COMMANDS {
            let _ = write!(page, " {} + {} |", count(native, plugin, command), count(machine, plugin, command));
        }
        page.push('\n');
    }
    page.push_str("\n## In the virtual machine only\n\nWhat the machine's kernel lacks:\n");
    let _ = writeln!(page, "\n| test | why not on the machine |\n| --- | --- |");
    for record in native.iter().filter(|record| record.is("skipped")) {
        let reason = record.reason.replace('|', "/").replace('\n', " ");
        let _ = writeln!(page, "| {} `{}` | {reason} |", record.program, record.test);
    }
    page
}
