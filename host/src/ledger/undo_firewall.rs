//! What takes back deeds of the firewalls.

use weir_native::family::IpFamily;
use weir_native::netns::Netns;
use weir_native::{Error, ErrorKind, Result, iptables as native_iptables, nftables as native};

use super::plan_firewall::{address_in, names_owner};
use super::record::{Ensured, MarkedRule};
use super::undo::{Scene, absent_is_fine};

/// Rules and elements first, then what was created for them, as far as nobody else uses it.
pub(super) fn nftables(
    netns: &Netns,
    table: &native::Table,
    rules: &[MarkedRule],
    elements: &[(String, Vec<native::Element>)],
    created: &[&Ensured],
    scene: &Scene<'_>,
) -> Result<()> {
    // Others may rely on what does not name this attachment, also those who come a moment later.
    let takes_all = scene.is_roll_back && !(scene.has_others)();
    let goes = |comment: &str| takes_all || names_owner(comment, scene.owner);
    // What was added to a chain of the attachment's own is its own too.
    let is_own = |rule: &&MarkedRule| goes(&rule.comment) || rule.chain.contains(&scene.owner.container_id);
    let rules: Vec<_> = rules.iter().filter(is_own).collect();
    let mut commands = rule_commands(netns, table, &rules)?;
    for (set, wanted) in elements {
        let there = native::list_elements(netns, table, set)?;
        let is_ours = |old: &&native::Element| {
            goes(&old.comment) && wanted.iter().any(|new| new.key == old.key && new.comment == old.comment)
        };
        let left: Vec<_> = there.iter().filter(is_ours).cloned().collect();
        if !left.is_empty() {
            commands.push(native::Command::DeleteElements(set.clone(), left));
        }
    }
    if !commands.is_empty() {
        absent_is_fine(native::apply(netns, table, &commands))?;
    }
    for what in created.iter().rev() {
        if let Some(command) = unused(netns, table, what, scene)? {
            match native::apply(netns, table, &[command]) {
                // Somebody jumps to it, looks into it, or has put something in.
                Err(Error { kind: ErrorKind::Busy | ErrorKind::NotFound, .. }) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn rule_commands(netns: &Netns, table: &native::Table, rules: &[&MarkedRule]) -> Result<Vec<native::Command>> {
    let mut chains: Vec<&str> = rules.iter().map(|rule| rule.chain.as_str()).collect();
    chains.sort_unstable();
    chains.dedup();
    let mut commands = Vec::new();
    for chain in chains {
        let there = native::list_rules(netns, table, Some(chain))?;
        let is_ours = |old: &&native::RuleInfo| {
            let same = |rule: &&&MarkedRule| rule.chain == chain && rule.comment == old.comment;
            rules.iter().any(|rule| same(&rule) && !rule.except.contains(&old.handle))
        };
        let handles: Vec<u64> = there.iter().filter(is_ours).map(|rule| rule.handle).collect();
        if !handles.is_empty() {
            commands.push(native::Command::DeleteRules(chain.to_owned(), handles));
        }
    }
    Ok(commands)
}

/// The command that deletes something created, where nothing of others is in it. The kernel refuses where it is used.
fn unused(netns: &Netns, table: &native::Table, what: &Ensured, scene: &Scene<'_>) -> Result<Option<native::Command>> {
    Ok(match what {
        Ensured::Table if scene.may_take_shared() => {
            native::list_chains(netns, table)?.is_empty().then_some(native::Command::DeleteTable)
        }
        Ensured::Chain { name, base, rules }
            if scene.may_take_shared() || (!base && name.contains(&scene.owner.container_id)) =>
        {
            let there = native::list_rules(netns, table, Some(name))?;
            (there.len() <= *rules).then(|| native::Command::DeleteChain(name.clone()))
        }
        Ensured::Set { name } if scene.may_take_shared() && native::list_elements(netns, table, name)?.is_empty() => {
            Some(native::Command::DeleteSet(name.clone()))
        }
        Ensured::Table | Ensured::Chain { .. } | Ensured::Set { .. } => None,
    })
}

/// Programs are started only where something may be left.
pub(super) fn iptables(
    netns: &Netns,
    family: IpFamily,
    table: &str,
    undo: &[native_iptables::Command],
    scene: &Scene<'_>,
) -> Result<()> {
    let mut gone = Vec::new();
    let mut left = Vec::new();
    for command in undo {
        match command {
            native_iptables::Command::CreateOrFlushChain(chain) | native_iptables::Command::DeleteChain(chain)
                if !native_iptables::may_hold(netns, family, table, chain)? =>
            {
                gone.push(chain.as_str());
            }
            other => left.push(other.clone()),
        }
    }
    // An address may have gone to another attachment, which found the rules for it and relies on them.
    let others = (scene.held_by_others)();
    left.retain(|command| match command {
        native_iptables::Command::Delete(rule) => {
            let names_owner = rule.words.iter().any(|word| word.contains(&scene.owner.container_id));
            names_owner || !rule.words.iter().filter_map(|word| address_in(word)).any(|one| others.contains(&one))
        }
        _ => true,
    });
    // No rule stays that jumps to a chain that is gone, and none in it.
    left.retain(|command| match command {
        native_iptables::Command::Delete(rule) => {
            !gone.contains(&rule.chain.as_str()) && !rule.words.iter().any(|word| gone.contains(&word.as_str()))
        }
        _ => true,
    });
    for command in left {
        // Only chains that jumps of the attachment's own lead to are flushed, so nobody else makes one meanwhile.
        if let native_iptables::Command::Delete(rule) = &command
            && !native_iptables::may_hold(netns, family, table, &rule.chain)?
        {
            continue;
        }
        match native_iptables::restore(netns, family, table, &[command]) {
            // Gone, or used by others.
            Err(Error { kind: ErrorKind::NotFound | ErrorKind::Busy | ErrorKind::Unsupported, .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
