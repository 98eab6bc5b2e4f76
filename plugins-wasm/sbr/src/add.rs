//! ADD: a table and a rule for each address, and the main table without the interface's routes.

use weir_sdk::net::{Route, Rule};
use weir_sdk::{Context, Error, Netns, Request, Result, error};

use crate::addresses::Source;
use crate::config::Config;
use crate::{del, main_table, table};

pub(crate) fn run(request: &Request, config: &Config, sources: &[Source]) -> Result<()> {
    let netns = request.netns()?;
    let name = &request.interface_name;
    let link = netns.link(name)?.ok_or_else(|| no_link(name))?.info()?.index;
    let mut done = Done { netns: &netns, link, owns_tables: config.table.is_none(), rules: Vec::new(), main: None };
    let outcome = match config.table {
        Some(number) => lead_to(&mut done, number, sources),
        None => spread(&mut done, config, sources),
    };
    if outcome.is_err() {
        done.undo();
    }
    outcome
}

pub(crate) fn no_link(name: &str) -> Error {
    Error::internal(format!("the container has no interface {name}"))
}

/// What to take back after a failure.
struct Done<'a> {
    netns: &'a Netns,
    link: u32,
    /// The tables that the rules lead to are this attachment's.
    owns_tables: bool,
    rules: Vec<Rule>,
    /// The main table's routes from before, once they are being changed.
    main: Option<Vec<Route>>,
}

impl Done<'_> {
    fn undo(&self) {
        if let Some(before) = &self.main {
            log_failure(main_table::restore(self.netns, self.link, before));
        }
        for rule in &self.rules {
            if self.owns_tables {
                log_failure(del::empty(self.netns, rule, self.link));
            }
            log_failure(self.netns.remove_rule(rule).context("remove rule").map_err(Error::from));
        }
    }
}

fn log_failure(outcome: Result<()>) {
    if let Err(error) = outcome {
        error!("sbr: clean up after a failure: {error}");
    }
}

/// Somebody else fills the table: only the rules are missing.
fn lead_to(done: &mut Done<'_>, number: u32, sources: &[Source]) -> Result<()> {
    for source in sources {
        let rule = Rule::from_address(source.address(), number);
        match done.netns.add_rule(&rule) {
            // It says what we want; whoever made it will remove it.
            Err(failure) if failure.is_already_exists() => {}
            added => {
                added.with_context(|| format!("send packets from {} to table {number}", source.address()))?;
                done.rules.push(rule);
            }
        }
    }
    Ok(())
}

/// A table of its own for each address.
fn spread(done: &mut Done<'_>, config: &Config, sources: &[Source]) -> Result<()> {
    let netns = done.netns;
    let before = main_table::routes_of(netns, done.link)?;
    let mut rules = netns.rules(None).context("list rules")?;
    for source in sources {
        let rule = table::take(netns, source.address(), &mut rules)?;
        let number = rule.table;
        done.rules.push(rule);
        let named = config.gateway_for(source.address());
        table::fill(netns, number, &table::routes_for(source, sources, &before, named, done.link))?;
    }
    // Only now: while the tables are filled, the kernel looks here for the ways to the gateways.
    let routes = done.main.insert(before);
    match config.add_source_hints {
        true => main_table::hint(netns, done.link, routes, sources),
        false => main_table::remove(netns, routes),
    }
}
