//! Redirects: an ingress discipline with one filter that sends every packet on, see tc-mirred(8).

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionGeneric, TcActionMirror, TcActionMirrorOption, TcActionOption, TcActionType,
    TcAttribute, TcFilterMatchAllOption, TcFilterU32, TcFilterU32Option, TcHandle, TcMessage, TcMirror,
    TcMirrorActionType, TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};

use super::{message, remove};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

const KIND: &str = "ingress";
/// `ffff:`, the only handle that an ingress discipline can have.
const HANDLE: TcHandle = TcHandle { major: u16::MAX, minor: 0 };
const PRIORITY: u32 = 1;

/// Let every packet that comes in by a link leave by another link of the namespace instead. `AlreadyExists` where the
/// link has an ingress discipline.
pub fn redirect(namespace: &Netns, link: u32, target: u32) -> Result<()> {
    let doing = || format!("redirect what comes in by link with index {link} to link with index {target}");
    if link == target {
        return Err(Error::new(ErrorKind::Invalid, format!("{}: that is the same link", doing())));
    }
    let discipline = message(link, TcHandle::INGRESS, HANDLE, Some(KIND))?;
    let mut filter = message(link, HANDLE, TcHandle::UNSPEC, Some(TcFilterU32::KIND))?;
    // Priority above, protocol below; the protocol in network order: all.
    filter.header.info = PRIORITY << 16 | u32::from((libc::ETH_P_ALL as u16).to_be());
    filter.attributes.push(TcAttribute::Options(match_all_and_send_to(target)));

    let made = namespace.rtnetlink(|connection| {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        connection.act(RouteNetlinkMessage::NewQueueDiscipline(discipline), flags).map_err(|fault| (false, fault))?;
        // Not together with the discipline: where somebody has made one, the filter would get into that.
        connection.act(RouteNetlinkMessage::NewTrafficFilter(filter), flags).map_err(|fault| (true, fault))
    })?;
    made.or_else(|(has_discipline, fault)| {
        if has_discipline {
            remove_redirect(namespace, link)?;
        }
        Err(fault.during(doing()))
    })
}

/// The links that every packet that comes in by a link is sent to, in order. 0: the target is gone.
pub fn redirects(namespace: &Netns, link: u32) -> Result<Vec<u32>> {
    // A dump, but of this link's ingress filters only: without their handles they cannot be asked for.
    let message = message(link, HANDLE, TcHandle::UNSPEC, None)?;
    let answers =
        namespace
            .rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetTrafficFilter(message)))?
            .map_err(|fault| fault.during(format_args!("look at the ingress filters of link with index {link}")))?;
    let mut targets = Vec::new();
    for answer in &answers {
        if let RouteNetlinkMessage::NewTrafficFilter(filter) = answer {
            targets.extend(targets_of(filter));
        }
    }
    Ok(targets)
}

/// Remove the ingress discipline, with the redirect. None there is no failure.
pub fn remove_redirect(namespace: &Netns, link: u32) -> Result<()> {
    remove(namespace, link, TcHandle::INGRESS, KIND)
}

fn match_all_and_send_to(target: u32) -> Vec<TcOption> {
    let mut selector = TcU32Selector::default();
    selector.flags = TcU32SelectorFlags::Terminal;
    selector.nkeys = 1;
    // No bit of the packet matters.
    selector.keys = vec![TcU32Key::default()];

    let mut generic = TcActionGeneric::default();
    generic.action = TcActionType::Stolen;
    let mut mirror = TcMirror::default();
    mirror.generic = generic;
    mirror.eaction = TcMirrorActionType::EgressRedir;
    mirror.ifindex = target;
    let mut action = TcAction::default();
    action.attributes = vec![
        TcActionAttribute::Kind(TcActionMirror::KIND.to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(mirror))]),
    ];
    [TcFilterU32Option::Selector(selector), TcFilterU32Option::Action(vec![action])].map(TcOption::U32).to_vec()
}

/// Where a filter sends every packet.
fn targets_of(filter: &TcMessage) -> Vec<u32> {
    let everything = u32::from((libc::ETH_P_ALL as u16).to_be());
    if filter.header.info & 0xffff != everything {
        return Vec::new();
    }
    let options = filter.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options.as_slice()),
        _ => None,
    });
    let mut takes_all = false;
    let mut targets = Vec::new();
    for option in options.unwrap_or_default() {
        match option {
            TcOption::U32(TcFilterU32Option::Selector(selector)) => {
                takes_all = selector.keys.iter().all(|key| key.mask == 0);
            }
            TcOption::MatchAll(_) => takes_all = true,
            _ => {}
        }
        if let TcOption::U32(TcFilterU32Option::Action(actions))
        | TcOption::MatchAll(TcFilterMatchAllOption::Action(actions)) = option
        {
            targets.extend(actions.iter().filter_map(target_of));
        }
    }
    if takes_all { targets } else { Vec::new() }
}

/// Where an action sends packets; none where it does something else.
fn target_of(action: &TcAction) -> Option<u32> {
    action.attributes.iter().find_map(|attribute| {
        let TcActionAttribute::Options(options) = attribute else { return None };
        options.iter().find_map(|option| match option {
            TcActionOption::Mirror(TcActionMirrorOption::Parms(mirror))
                if mirror.eaction == TcMirrorActionType::EgressRedir =>
            {
                Some(mirror.ifindex)
            }
            _ => None,
        })
    })
}
