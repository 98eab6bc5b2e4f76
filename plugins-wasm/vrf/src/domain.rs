//! The VRF: found or made, with a routing table of its own, and removed when nobody uses it.

use weir_sdk::net::{LinkChanges, LinkInfo, LinkKind, LinkOptions, RouteFilter};
use weir_sdk::{Context, Error, Failure, Link, Netns, Result, error};

use crate::config::Config;

/// Tables that every namespace has: default, main, local.
const RESERVED: std::ops::RangeInclusive<u32> = 253..=255;

/// A VRF of the container.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) link: Link,
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) table: u32,
    /// This command has made it.
    pub(crate) is_new: bool,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    Domain(Domain),
    /// A link of this kind.
    Other(String),
}

impl Domain {
    /// Find what has a name.
    pub(crate) fn look_up(netns: &Netns, name: &str) -> Result<Found> {
        let Some(link) = netns.link(name)? else { return Ok(Found::Nothing) };
        let look = || Ok((link.info()?, link.kind()?));
        match look() {
            Ok((info, Some(LinkKind::Vrf(table)))) => {
                Ok(Found::Domain(Self { link, name: name.to_owned(), index: info.index, table, is_new: false }))
            }
            Ok((info, _)) => Ok(Found::Other(info.kind.unwrap_or_else(|| "hardware".to_owned()))),
            Err(failure) if Failure::is_not_found(&failure) => Ok(Found::Nothing),
            Err(failure) => Err(failure.within(&format!("look at {name}")).into()),
        }
    }

    /// Find a VRF by its name. An error where a link of another kind has it.
    pub(crate) fn find(netns: &Netns, name: &str) -> Result<Option<Self>> {
        match Self::look_up(netns, name)? {
            Found::Domain(domain) => Ok(Some(domain)),
            Found::Nothing => Ok(None),
            Found::Other(kind) => Err(Error::invalid_config(format!("{name} is a link of kind {kind}, and no VRF"))),
        }
    }

    /// The VRF of the configuration, made where it is missing. `workname` is a name that nobody else uses.
    pub(crate) fn ensure(netns: &Netns, config: &Config, workname: &str) -> Result<Self> {
        loop {
            if let Some(found) = Self::find(netns, &config.name)? {
                found.require_table(config)?;
                return Ok(found);
            }
            let made = match config.table {
                Some(table) => create(netns, &config.name, table, true).map(|link| (link, table)),
                None => create_with_free_table(netns, config, workname)?,
            };
            let (link, table) = match made {
                // Another interface came at the same time: use the VRF that was made for it.
                Err(failure) if failure.is_already_exists() => continue,
                made => made.with_context(|| format!("make VRF {}", config.name))?,
            };
            let index = match link.info().context("look at the new VRF") {
                Ok(info) => info.index,
                Err(failure) => {
                    log_failure(link.delete_if_exists());
                    return Err(failure.into());
                }
            };
            return Ok(Self { link, name: config.name.clone(), index, table, is_new: true });
        }
    }

    /// Fail where the VRF has another table than the configuration names.
    pub(crate) fn require_table(&self, config: &Config) -> Result<()> {
        match config.table {
            Some(table) if table != self.table => Err(Error::invalid_config(format!(
                "VRF {} has routing table {}, but table {table} is configured",
                self.name, self.table
            ))),
            _ => Ok(()),
        }
    }

    /// Whether somebody has deleted it.
    pub(crate) fn is_gone(&self) -> bool {
        self.link.info().is_err_and(|failure| failure.is_not_found())
    }

    /// Delete it, unless an interface is in it.
    pub(crate) fn remove_unused(&self, netns: &Netns) -> Result<()> {
        let links = netns.links().context("list links")?;
        if links.iter().any(|info| info.controller == Some(self.index)) {
            return Ok(());
        }
        self.link.delete_if_exists().with_context(|| format!("delete VRF {}", self.name))?;
        Ok(())
    }
}

fn create(netns: &Netns, name: &str, table: u32, up: bool) -> Result<Link, Failure> {
    let options = LinkOptions { up, ..LinkOptions::default() };
    netns.create_virtual_link(name, &LinkKind::Vrf(table), &options, None)
}

/// Make a VRF with a table that no other one has. It gets its name only when that is sure, so that nobody uses one that
/// has to go again. `AlreadyExists` where the name is taken by then.
fn create_with_free_table(netns: &Netns, config: &Config, workname: &str) -> Result<Result<(Link, u32), Failure>> {
    // What is left of an attempt that was killed.
    if let Found::Domain(left) = Domain::look_up(netns, workname)? {
        left.link.delete_if_exists().with_context(|| format!("delete VRF {workname}"))?;
    }
    let mut least = 1;
    loop {
        let table = next_free(netns, least)?;
        let link = create(netns, workname, table, false).with_context(|| format!("make a VRF with table {table}"))?;
        let outcome = match is_taken_by_elder(netns, &link, table) {
            Ok(true) => Ok(None),
            Ok(false) => {
                let named = LinkChanges { name: Some(config.name.clone()), up: Some(true), ..LinkChanges::default() };
                Ok(Some(link.update(&named)))
            }
            Err(error) => Err(error),
        };
        if let Ok(Some(Ok(()))) = outcome {
            return Ok(Ok((link, table)));
        }
        log_failure(link.delete_if_exists());
        if let Some(Err(failure)) = outcome? {
            return Ok(Err(failure));
        }
        least = table.saturating_add(1);
    }
}

fn log_failure(outcome: Result<bool, Failure>) {
    if let Err(failure) = outcome {
        error!("vrf: delete the new VRF: {}", failure.message);
    }
}

/// Whether an older VRF has found the same table free. Interface indexes grow, so the smaller one is older.
fn is_taken_by_elder(netns: &Netns, link: &Link, table: u32) -> Result<bool> {
    let index = link.info().context("look at the new VRF")?.index;
    Ok(vrf_tables(netns)?.iter().any(|(info, other)| info.index < index && *other == table))
}

/// The first table from a number on that no VRF has and that has no routes.
fn next_free(netns: &Netns, least: u32) -> Result<u32> {
    let taken: Vec<u32> = vrf_tables(netns)?.into_iter().map(|(_, table)| table).collect();
    for table in (least..u32::MAX).filter(|table| !RESERVED.contains(table) && !taken.contains(table)) {
        let filter = RouteFilter { table: Some(table), ..RouteFilter::default() };
        if netns.routes(filter).with_context(|| format!("look whether table {table} is free"))?.is_empty() {
            return Ok(table);
        }
    }
    Err(Error::try_again_later("every routing table of the container is in use"))
}

/// All VRFs of the container and their tables.
fn vrf_tables(netns: &Netns) -> Result<Vec<(LinkInfo, u32)>> {
    let mut found = Vec::new();
    for info in netns.links().context("list links")?.into_iter().filter(|info| info.is("vrf")) {
        let Some(link) = netns.link_by_index(info.index)? else { continue };
        match link.kind() {
            Ok(Some(LinkKind::Vrf(table))) => found.push((info, table)),
            Err(failure) if !failure.is_not_found() => return Err(failure.into()),
            _ => {}
        }
    }
    Ok(found)
}
