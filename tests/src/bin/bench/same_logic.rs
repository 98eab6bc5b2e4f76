//! What the sandbox costs, from outside: weir-cni with all of it on, beside the same plugins compiled natively onto the same
//! shim, without sandbox, grants, budgets, ledger and confinement (`tests/native-plugins`).

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use weir_tests::Programs;

use crate::report::Row;
use crate::{cases, measure};

/// The natively compiled plugins: `native-plugins` in `WEIR_DIST`, where `make bench` puts them.
pub(crate) fn programs() -> Result<Programs> {
    let dist = std::env::var_os("WEIR_DIST").map_or_else(|| PathBuf::from("dist"), PathBuf::from);
    let directory = dist.join("native-plugins");
    ensure!(directory.join("bridge").exists(), "no plugins in {}: `make bench` builds them", directory.display());
    Ok(Programs::of(directory.canonicalize().with_context(|| directory.display().to_string())?))
}

/// Measure both in turn, and say at each row what the difference is.
pub(crate) fn run(runs: usize, mut see: impl FnMut(Row)) -> Result<()> {
    let (native, weir) = (programs()?, Programs::weir()?);
    for case in cases::same_logic() {
        for mut row in measure(&case, &native, &weir, runs).with_context(|| case.rows.join(", "))? {
            let (without, with) = (row.native.median.as_secs_f64(), row.weir.median.as_secs_f64());
            let difference = with - without;
            row.note = Some(format!(
                "native: the same plugin without sandbox; difference {:.3} ms, {:.1} % of weir-cni's",
                difference * 1e3,
                100.0 * difference / with
            ));
            see(row);
        }
    }
    Ok(())
}
