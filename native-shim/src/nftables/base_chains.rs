//! The base chains at a hook, of all tables: who else decides on packets.

use super::batch::{Message, request};
use super::types::{BaseChain, BaseChainInfo, ChainType, Family, Hook, Policy, Table};
use super::{hint, name_of};
use crate::netfilter::attributes::{Attributes, Reader, number, text};
use crate::netfilter::{Refusal, with_channel};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// The families that Weir knows.
const FAMILIES: [Family; 4] = [Family::Ip, Family::Ip6, Family::Inet, Family::Bridge];

/// The base chains at a hook, of all tables. `Unsupported` where the kernel has no nf_tables.
pub fn list_base_chains(namespace: &Netns, hook: Hook) -> Result<Vec<BaseChainInfo>> {
    with_channel(namespace, |channel| {
        let mut chains = Vec::new();
        for family in FAMILIES {
            let all = Table { family, name: String::new() };
            match channel.list(&request(&all, Message::GetChain, 0, Attributes::new()))? {
                Ok(answers) => chains.extend(answers.iter().filter_map(|answer| decode(family, answer))),
                Err(Refusal { errno: libc::ENOENT, .. }) => {}
                Err(Refusal { errno: libc::EINVAL | libc::EOPNOTSUPP, .. }) => {
                    return Err(Error::new(ErrorKind::Unsupported, "nftables: the kernel has no nf_tables"));
                }
                Err(refusal) => {
                    let doing = format!("nftables: list chains of family {}", name_of(&all).trim_end());
                    return Err(refusal.error(&doing, hint(refusal.errno)));
                }
            }
        }
        chains.retain(|chain: &BaseChainInfo| chain.base.hook == hook);
        Ok(chains)
    })
}

/// A base chain of an answer; none where it is another chain, or of a kind that Weir does not know.
pub(super) fn decode(family: Family, answer: &[u8]) -> Option<BaseChainInfo> {
    let place = Reader::find(answer, 4)?;
    let hook = match Reader::find(place, 1).and_then(number)? {
        0 => Hook::Prerouting,
        1 => Hook::Input,
        2 => Hook::Forward,
        3 => Hook::Output,
        4 => Hook::Postrouting,
        _ => return None,
    };
    let chain_type = match Reader::find(answer, 7).map(text)?.as_str() {
        "filter" => ChainType::Filter,
        "nat" => ChainType::Nat,
        "route" => ChainType::Route,
        _ => return None,
    };
    let policy = match Reader::find(answer, 5).and_then(number)? {
        0 => Policy::Drop,
        _ => Policy::Accept,
    };
    let priority = Reader::find(place, 2).and_then(number)?.cast_signed();
    let base = BaseChain { chain_type, hook, priority, policy };
    let table = Table { family, name: Reader::find(answer, 1).map(text)? };
    Some(BaseChainInfo { table, name: Reader::find(answer, 3).map(text)?, base })
}
