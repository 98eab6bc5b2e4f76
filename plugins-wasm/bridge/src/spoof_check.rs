//! `macspoofchk`: the bridge drops frames from the container whose source is not the container's hardware address.
//!
//! Table, chains and the rule that enters them are those of the reference plugin, so each can remove what the other made.
//! The rule that drops is marked with the network besides, because GC must tell networks apart.

use weir_sdk::naming::hash;
use weir_sdk::net::nftables::{Batch, Chain, ChainType, Field, Hook, Rule, Table, cut_comment};
use weir_sdk::{Attachment, Context, GcRequest, MacAddress, Netns, Result};

const PREROUTING: &str = "PREROUTING";
/// Before everything else that bridges filter.
const PRIORITY: i32 = -300;
const CHAIN_PREFIX: &str = "cni-br-iface-";
const COMMENT_PREFIX: &str = "macspoofchk-";

/// The rules of one attachment.
pub(crate) struct SpoofCheck {
    id: String,
}

fn table() -> Table {
    Table::bridge("nat")
}

fn network_mark(network: &str) -> String {
    format!("net {} ", hash(network, 16))
}

impl SpoofCheck {
    pub(crate) fn of(attachment: &Attachment) -> Self {
        Self { id: format!("{}-{}", attachment.container_id, attachment.interface_name) }
    }

    fn interface_chain(&self) -> String {
        format!("{CHAIN_PREFIX}{}", self.id)
    }

    fn mac_chain(&self) -> String {
        format!("{}-mac", self.interface_chain())
    }

    fn comment(&self) -> String {
        cut_comment(&format!("{COMMENT_PREFIX}{}", self.id)).to_owned()
    }

    /// Let only this hardware address pass from the port into the bridge. One transaction that creates.
    pub(crate) fn add(&self, host: &Netns, network: &str, port: &str, mac: &MacAddress) -> Result<()> {
        let (interface_chain, mac_chain, comment) = (self.interface_chain(), self.mac_chain(), self.comment());
        // Chains of an attachment that was never removed hold an address of the past.
        if !host.nft_rules(&table(), Some(&mac_chain)).context("check hardware addresses")?.is_empty() {
            self.remove(host)?;
        }
        let drop = Rule::new().drop().comment(&format!("{}{comment}", network_mark(network)));
        Ok(Batch::new(table())
            .ensure_table()
            .ensure_chain(Chain::base(PREROUTING, ChainType::Filter, Hook::Prerouting, PRIORITY))
            .ensure_chain(
                Chain::regular(&mac_chain)
                    .rule(Rule::new().matches(Field::EtherSource, mac).ret().comment(&comment))
                    .rule(drop),
            )
            .ensure_chain(Chain::regular(&interface_chain).rule(Rule::new().jump(&mac_chain).comment(&comment)))
            .add_rule(
                PREROUTING,
                Rule::new().matches(Field::InputInterface, port).jump(&interface_chain).comment(&comment),
            )
            .apply(host)
            .context("check hardware addresses")?)
    }

    /// Remove the rules and chains that are there.
    pub(crate) fn remove(&self, host: &Netns) -> Result<()> {
        let comment = self.comment();
        let doing = "remove the check of hardware addresses";
        let rules = host.nft_rules(&table(), Some(PREROUTING)).context(doing)?;
        let entries: Vec<_> = rules.iter().filter(|rule| rule.comment == comment).map(|rule| rule.handle).collect();
        let own = [self.interface_chain(), self.mac_chain()];
        let batch = |handles: Vec<u64>, chains: &[&String]| {
            let mut batch = Batch::new(table());
            if !handles.is_empty() {
                batch = batch.delete_rules(PREROUTING, handles);
            }
            chains.iter().fold(batch, |batch, chain| batch.delete_chain(chain))
        };
        if !entries.is_empty() {
            match batch(entries.clone(), &own.each_ref()).apply(host) {
                Err(failure) if failure.is_not_found() => {}
                other => return Ok(other.context(doing)?),
            }
        }
        // Something is missing, so look what is there.
        let chains = host.nft_chains(&table()).context(doing)?;
        let left: Vec<_> = own.iter().filter(|chain| chains.contains(chain)).collect();
        Ok(batch(entries, &left).apply(host).context(doing)?)
    }
}

/// GC: remove the rules of attachments of this network that are not valid. Rules that the reference plugin made do not say
/// which network they belong to, and stay.
pub(crate) fn collect_garbage(host: &Netns, request: &GcRequest) -> Result<()> {
    let mark = format!("{}{COMMENT_PREFIX}", network_mark(&request.network));
    let valid: Vec<_> = request.valid_attachments.iter().map(|valid| SpoofCheck::of(valid).mac_chain()).collect();
    let rules = host.nft_rules(&table(), None).context("collect garbage of checks of hardware addresses")?;
    let mut outcome = Ok(());
    for rule in rules.iter().filter(|rule| rule.comment.starts_with(&mark) && !valid.contains(&rule.chain)) {
        let id = rule.chain.strip_prefix(CHAIN_PREFIX).and_then(|chain| chain.strip_suffix("-mac"));
        if let Some(id) = id {
            outcome = outcome.and(SpoofCheck { id: id.to_owned() }.remove(host));
        }
    }
    outcome
}
