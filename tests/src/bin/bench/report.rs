//! The table, and the same as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::attachments::Scale;
use crate::options::Options;
use crate::sandbox::Cost;
use crate::statistics::Statistics;

/// Above the table.
pub(crate) fn header() -> String {
    let units = format!("{:<44}{:>18}{:>18}{:>11}", "", "native [ms]", "weir-cni [ms]", "weir-cni");
    format!("{units}\n{:<44}{:>9}{:>9}{:>9}{:>9}{:>11}", "", "median", "p90", "median", "p90", "/ native")
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) native: Statistics,
    pub(crate) weir: Statistics,
    /// What is different between both sides.
    pub(crate) note: Option<String>,
}

impl Row {
    fn ratio(&self) -> f64 {
        milliseconds(self.weir.median) / milliseconds(self.native.median)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<44}", self.name)?;
        for time in [self.native.median, self.native.p90, self.weir.median, self.weir.p90] {
            write!(f, " {:>8.2}", milliseconds(time))?;
        }
        write!(f, " {:>10.2}", self.ratio())?;
        if let Some(note) = &self.note {
            write!(f, "  ({note})")?;
        }
        Ok(())
    }
}

/// All rows, for programs.
pub(crate) fn json(rows: &[Row], costs: &[Cost], scales: &[Scale], options: &Options) -> Value {
    let side = |side: Statistics| json!({"median": milliseconds(side.median), "p90": milliseconds(side.p90)});
    let row = |row: &Row| {
        json!({
            "name": row.name, "native": side(row.native), "weir": side(row.weir), "ratio": row.ratio(), "note": row.note,
        })
    };
    let costs: Vec<_> = costs.iter().map(Cost::json).collect();
    let scales: Vec<_> = scales.iter().map(Scale::json).collect();
    json!({
        "unit": "ms", "runs": options.runs, "rows": rows.iter().map(row).collect::<Vec<_>>(), "sandbox": costs,
        "attachments": scales,
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
