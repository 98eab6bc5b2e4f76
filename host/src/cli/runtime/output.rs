//! What commands print: for people on a terminal, one JSON document for everybody else.

use std::io::{self, BufWriter, IsTerminal, Write};

use cni_spec::result::{AddResult, Dns};
use libcni::DamagedEntry;
use serde::Serialize;
use serde_json::{Value, json};

use super::settings::Settings;
use super::table::Table;
use crate::console;

/// Documents of many attachments are printed in pieces of this size.
const BUFFER: usize = 64 << 10;

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    People,
    Json,
}

impl Format {
    pub(super) fn of(settings: &Settings) -> Self {
        if settings.json || !io::stdout().is_terminal() { Self::Json } else { Self::People }
    }
}

/// Print one of both.
pub(super) fn print(format: Format, document: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let mut output = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let written = match format {
        Format::People => output.write_all(text().as_bytes()),
        Format::Json => serde_json::to_writer_pretty(&mut output, document)
            .map_err(io::Error::from)
            .and_then(|()| output.write_all(b"\n")),
    };
    match written.and_then(|()| output.flush()) {
        Ok(()) => Ok(()),
        // Who has closed it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tell which entries of the cache cannot be used.
pub(super) fn warn(damaged: &[DamagedEntry]) {
    for entry in damaged {
        console::err(format_args!("weir: {entry}"));
    }
}

/// The same for programs.
pub(super) fn damaged(entries: &[DamagedEntry]) -> Value {
    entries.iter().map(|entry| json!({"path": entry.path, "message": entry.to_string()})).collect()
}

/// The addresses of a result, with spaces between them.
pub(super) fn addresses(result: &AddResult) -> String {
    let addresses: Vec<String> = result.ips.iter().map(|ip| ip.address.to_string()).collect();
    addresses.join(" ")
}

/// A result as tables.
pub(super) fn describe(result: &AddResult) -> String {
    let mut interfaces = Table::new(&["INTERFACE", "MAC", "MTU", "WHERE"]);
    for interface in &result.interfaces {
        let mtu = if interface.mtu == 0 { String::new() } else { interface.mtu.to_string() };
        let place = if interface.sandbox.is_empty() { "host".to_owned() } else { interface.sandbox.clone() };
        interfaces.row([interface.name.clone(), interface.mac.clone(), mtu, place]);
    }
    let mut addresses = Table::new(&["ADDRESS", "GATEWAY", "INTERFACE"]);
    for ip in &result.ips {
        let interface = ip.interface.and_then(|index| result.interfaces.get(index));
        let gateway = ip.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
        let interface = interface.map(|interface| interface.name.clone()).unwrap_or_default();
        addresses.row([ip.address.to_string(), gateway, interface]);
    }
    let mut routes = Table::new(&["ROUTE", "VIA"]);
    for route in &result.routes {
        routes.row([route.dst.to_string(), route.gw.map(|gateway| gateway.to_string()).unwrap_or_default()]);
    }
    let mut tables: Vec<String> =
        [interfaces, addresses, routes].iter().filter(|table| !table.is_empty()).map(Table::text).collect();
    if !result.dns.is_empty() {
        tables.push(describe_dns(&result.dns));
    }
    if tables.is_empty() { "the result is empty\n".to_owned() } else { tables.join("\n") }
}

fn describe_dns(dns: &Dns) -> String {
    let mut table = Table::new(&["DNS", ""]);
    for (what, value) in [
        ("name servers", dns.nameservers.join(" ")),
        ("domain", dns.domain.clone()),
        ("search", dns.search.join(" ")),
        ("options", dns.options.join(" ")),
    ] {
        if !value.is_empty() {
            table.row([what, &value]);
        }
    }
    table.text()
}
