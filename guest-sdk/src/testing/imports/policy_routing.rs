//! `rules` and `neighbors` on the model.

use crate::bindings::weir::cni as contract;
use crate::failure::Failure;
use crate::testing::imports::namespaces::Netns;
use crate::testing::state::with;

pub(crate) mod rules {
    use super::*;
    use contract::rules::Rule;
    use contract::types::IpFamily;

    pub(crate) fn add(namespace: &Netns, rule: &Rule) -> Result<(), Failure> {
        with(|state| {
            state.call("rules.add", rule.table)?;
            state.add_rule(namespace.number, rule)
        })
    }
    pub(crate) fn remove(namespace: &Netns, rule: &Rule) -> Result<(), Failure> {
        with(|state| {
            state.call("rules.remove", rule.table)?;
            state.remove_rule(namespace.number, rule);
            Ok(())
        })
    }
    pub(crate) fn list(namespace: &Netns, family: Option<IpFamily>) -> Result<Vec<Rule>, Failure> {
        with(|state| {
            state.call("rules.list", "")?;
            Ok(state.list_rules(namespace.number, family))
        })
    }
}

pub(crate) mod neighbors {
    use super::*;
    use contract::neighbors::Neighbor;

    pub(crate) fn list(namespace: &Netns, link: Option<u32>) -> Result<Vec<Neighbor>, Failure> {
        with(|state| {
            state.call("neighbors.list", "")?;
            Ok(state.list_neighbors(namespace.number, link))
        })
    }
}
