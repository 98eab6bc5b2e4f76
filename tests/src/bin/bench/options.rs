//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use weir_tests::Programs;

use crate::cases::Case;

const USAGE: &str = "usage: bench [--runs N] [--only TEXT] [--json FILE]
  --runs N     how often each row is measured (100)
  --only TEXT  only rows that have this in their name
  --json FILE  write the figures there as well
WEIR_BENCH_NATIVE names another directory with native plugins than that of Debian's package.";

/// What to measure, and where to.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) runs: usize,
    pub(crate) only: String,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { runs: 100, only: String::new(), json: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
            match argument.as_str() {
                "--runs" => options.runs = value()?.parse().context("--runs needs a number")?,
                "--only" => options.only = value()?,
                "--json" => options.json = Some(value()?.into()),
                _ => bail!("{argument} is unknown\n{USAGE}"),
            }
        }
        if options.runs == 0 {
            bail!("--runs must be at least 1");
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, case: &Case) -> bool {
        case.rows.iter().any(|row| row.contains(&self.only))
    }

    pub(crate) fn native_programs(&self) -> Result<Programs> {
        match std::env::var_os("WEIR_BENCH_NATIVE") {
            Some(directory) => Ok(Programs::of(directory)),
            None => Programs::native(),
        }
    }
}
