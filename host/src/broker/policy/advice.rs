//! What to grant after a denial: in the words of the plugin's manifest, since nothing else is granted.

use super::check::Check;
use crate::broker::Call;
use crate::registry::{GrantLine, Grants};

/// The smallest line that allows a call which needs `wanted`, among those that were asked for. None: no such line was.
pub(super) fn within(asked: &Grants, check: &Check<'_>, call: &Call<'_>, wanted: &GrantLine) -> Option<GrantLine> {
    let alone = |line: &GrantLine| Grants::parse(line.fragment().as_bytes()).ok();
    if alone(wanted).is_some_and(|literal| literal.surplus_over(asked).is_empty()) {
        return Some(wanted.clone());
    }
    // The object may be one that the configuration names: the line that was asked for has a placeholder then.
    asked.lines().into_iter().filter(|line| line.key == wanted.key).find(|line| {
        let Some(more) = alone(line) else { return false };
        let mut grants = check.grants.clone();
        grants.merge(more);
        match (Check { grants: &grants, ..*check }).decide(call) {
            Ok(_) => true,
            // A call may need more than one line; this one has done its part.
            Err(refused) => refused.grant != *wanted,
        }
    })
}
