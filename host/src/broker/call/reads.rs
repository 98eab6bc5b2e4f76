//! Calls that only read.

/// A pattern of all calls that read what the kernel has or touch nothing but the command itself. The interface is enough for
/// them, and they leave nothing behind: what decides about calls and what writes them down share this list. Both match
/// without a wildcard, so a call that is added stands here or has a row in each.
macro_rules! reads {
    () => {
        $crate::broker::Call::ContainerNamespaceOpen { .. }
            | $crate::broker::Call::HostNamespaceOpen { .. }
            | $crate::broker::Call::LogWrite { .. }
            | $crate::broker::Call::ClockNow { .. }
            | $crate::broker::Call::ClockSleep { .. }
            | $crate::broker::Call::LinkInfo { .. }
            | $crate::broker::Call::LinkWaitOperational { .. }
            | $crate::broker::Call::LinksFind { .. }
            | $crate::broker::Call::LinksFindByIndex { .. }
            | $crate::broker::Call::LinksList { .. }
            | $crate::broker::Call::VirtualLinksDescribe { .. }
            | $crate::broker::Call::BridgesVlanFiltering { .. }
            | $crate::broker::Call::BridgesPort { .. }
            | $crate::broker::Call::BridgesListVlans { .. }
            | $crate::broker::Call::AddressesList { .. }
            | $crate::broker::Call::AddressesWaitSettled { .. }
            | $crate::broker::Call::RoutesList { .. }
            | $crate::broker::Call::RoutesLookup { .. }
            | $crate::broker::Call::RulesList { .. }
            | $crate::broker::Call::NeighborsList { .. }
            | $crate::broker::Call::SysctlsGet { .. }
            | $crate::broker::Call::SysctlsAllowList { .. }
            | $crate::broker::Call::TrafficControlShaper { .. }
            | $crate::broker::Call::TrafficControlRedirects { .. }
            | $crate::broker::Call::NftablesListRules { .. }
            | $crate::broker::Call::NftablesListChains { .. }
            | $crate::broker::Call::NftablesListElements { .. }
            | $crate::broker::Call::NftablesListBaseChains { .. }
            | $crate::broker::Call::IptablesSave { .. }
            | $crate::broker::Call::IptablesAvailable { .. }
            | $crate::broker::Call::IptablesMayHold { .. }
            | $crate::broker::Call::FirewalldAvailable { .. }
            | $crate::broker::Call::FirewalldHasSource { .. }
            | $crate::broker::Call::HostDevicesFindPci { .. }
            | $crate::broker::Call::HostDevicesFindAuxiliary { .. }
            | $crate::broker::Call::HostDevicesFindByPath { .. }
    };
}

pub(crate) use reads;
