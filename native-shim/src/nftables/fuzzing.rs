//! Answers of nf_tables, for the fuzz targets.

use super::kind::Kind;
use super::set::{Shape, ShapeData};
use super::{Family, Table, base_chains, element, rule_info};
use crate::netfilter::attributes::{Reader, text};

/// Read one answer as everything that an answer can be about.
pub(crate) fn answer(attributes: &[u8]) {
    let name = Reader::find(attributes, 1).map(text).unwrap_or_default();
    let table = Table { family: Family::Inet, name };
    drop(rule_info(&table, attributes));
    drop(base_chains::decode(Family::Inet, attributes));
    // An answer about a set says how its elements are read; here it is its own list of elements, too.
    if let Some(shape) = Shape::decode(attributes) {
        drop(element::decode(&shape, &[attributes.to_vec()]));
    }
    // Shapes that occur: addresses, ports, and both with a verdict or a value behind them.
    let shapes = [
        (vec![Kind::Ipv4], ShapeData::None, true),
        (vec![Kind::Ipv6, Kind::Port], ShapeData::Values(vec![Kind::Ipv6, Kind::Port]), false),
        (vec![Kind::InterfaceName], ShapeData::Verdict, true),
    ];
    for (key, data, interval) in shapes {
        drop(element::decode(&Shape { key, data, interval }, &[attributes.to_vec()]));
    }
}
