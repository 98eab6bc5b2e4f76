//! The VRF: found or made, with a routing table of its own, and removed when nobody uses it.

use weir_sdk::net::{LinkInfo, LinkKind, LinkOptions, RouteFilter};
use weir_sdk::{Context, Error, Failure, Link, Netns, Result};

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

    /// The VRF of the configuration, made where it is missing.
    pub(crate) fn ensure(netns: &Netns, config: &Config) -> Result<Self> {
        let mut least = 1;
        loop {
            if let Some(found) = Self::find(netns, &config.name)? {
                found.require_table(config)?;
                return Ok(found);
            }
            let table = match config.table {
                Some(table) => table,
                None => next_free(netns, least)?,
            };
            let options = LinkOptions { up: true, ..LinkOptions::default() };
            let made = netns.create_virtual_link(&config.name, &LinkKind::Vrf(table), &options, None);
            let link = match made {
                // Another container's interface came at the same time: use what it made.
                Err(failure) if failure.is_already_exists() => continue,
                made => made.with_context(|| format!("make VRF {} with table {table}", config.name))?,
            };
            let domain = Self::checked(netns, config, link, table);
            match domain? {
                Some(domain) => return Ok(domain),
                None => least = table.saturating_add(1),
            }
        }
    }

    /// A VRF that was just made; none where an older one has found the same table free, and this one is gone again.
    fn checked(netns: &Netns, config: &Config, link: Link, table: u32) -> Result<Option<Self>> {
        let look = || -> Result<(u32, bool)> {
            let index = link.info().context("look at the new VRF")?.index;
            // Interface indexes grow, so the smaller one is older.
            let is_second = config.table.is_none()
                && vrf_tables(netns)?.iter().any(|(info, other)| info.index < index && *other == table);
            Ok((index, is_second))
        };
        match look() {
            Ok((index, false)) => Ok(Some(Self { link, name: config.name.clone(), index, table, is_new: true })),
            outcome => {
                let removed = link.delete_if_exists();
                outcome?;
                removed.with_context(|| format!("give table {table} back"))?;
                Ok(None)
            }
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
