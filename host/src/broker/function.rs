//! Every function that a guest may call, as data. A binding cannot reach `weir-native` without naming one of these, so
//! what is decided here holds for all bindings.

macro_rules! functions {
    ($($interface:ident = $interface_name:literal { $($variant:ident = $name:literal),* $(,)? })*) => {
        /// A function of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Function {
            $($(#[doc = concat!("`", $interface_name, ".", $name, "`")] $variant,)*)*
        }

        /// Names of all interfaces of the contract that hold functions, in kebab case.
        pub const INTERFACES: &[&str] = &[$($interface_name),*];

        impl Function {
            /// All functions of the contract.
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            /// The interface that the function belongs to.
            pub fn interface(self) -> &'static str {
                match self { $($(Self::$variant)|* => $interface_name,)* }
            }

            /// The function's name.
            pub fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }
        }
    };
}

functions! {
    container_namespace = "container-namespace" { ContainerNamespaceOpen = "open" }
    host_namespace = "host-namespace" { HostNamespaceOpen = "open" }
    log = "log" { LogWrite = "write" }
    clock = "clock" { ClockNow = "now", ClockSleep = "sleep" }
    links = "links" {
        LinkInfo = "link.info", LinkUpdate = "link.update", LinkWaitOperational = "link.wait-operational",
        LinkDelete = "link.delete", LinksFind = "find", LinksFindByIndex = "find-by-index", LinksList = "list",
        LinksCreateVeth = "create-veth", LinkSetController = "link.set-controller", LinkMoveTo = "link.move-to",
    }
    virtual_links = "virtual-links" { VirtualLinksCreate = "create", VirtualLinksDescribe = "describe" }
    bridges = "bridges" {
        BridgesCreate = "create", BridgesDeleteUnused = "delete-unused", BridgesVlanFiltering = "vlan-filtering",
        BridgesSetVlanFiltering = "set-vlan-filtering", BridgesAttach = "attach", BridgesPort = "port",
        BridgesAddVlans = "add-vlans", BridgesRemoveVlans = "remove-vlans", BridgesListVlans = "list-vlans",
    }
    addresses = "addresses" {
        AddressesList = "list", AddressesAdd = "add", AddressesRemove = "remove",
        AddressesWaitSettled = "wait-settled", AddressesAnnounce = "announce",
    }
    routes = "routes" {
        RoutesAdd = "add", RoutesRemove = "remove", RoutesList = "list", RoutesLookup = "lookup",
    }
    rules = "rules" { RulesAdd = "add", RulesRemove = "remove", RulesList = "list" }
    neighbors = "neighbors" { NeighborsList = "list" }
    sysctls = "sysctls" { SysctlsGet = "get", SysctlsSet = "set", SysctlsAllowList = "allow-list" }
    traffic_control = "traffic-control" {
        TrafficControlShape = "shape", TrafficControlShaper = "shaper", TrafficControlRemoveShaper = "remove-shaper",
        TrafficControlRedirect = "redirect", TrafficControlRedirects = "redirects",
        TrafficControlRemoveRedirect = "remove-redirect",
    }
    nftables = "nftables" {
        NftablesApply = "apply", NftablesListRules = "list-rules", NftablesListChains = "list-chains",
        NftablesListElements = "list-elements",
        NftablesListBaseChains = "list-base-chains",
    }
    iptables = "iptables" {
        IptablesSave = "save", IptablesRestore = "restore", IptablesAvailable = "available",
        IptablesMayHold = "may-hold",
    }
    conntrack = "conntrack" { ConntrackFlush = "flush" }
    firewalld = "firewalld" {
        FirewalldAvailable = "available", FirewalldAddSource = "add-source",
        FirewalldRemoveSource = "remove-source", FirewalldHasSource = "has-source",
    }
    ipam_store = "ipam-store" {
        StoreOpen = "open", StoreAllocate = "store.allocate", StoreReserve = "store.reserve",
        StoreReleaseAddress = "store.release-address", StoreRelease = "store.release", StoreFind = "store.find",
        StoreList = "store.list", StoreRetain = "store.retain", StoreCountFree = "store.count-free",
    }
    resolver = "resolver" { ResolverLoad = "load" }
    attachment_state = "attachment-state" {
        StateLoad = "load", StateSave = "save", StateRemove = "remove", StateRetain = "retain",
    }
    container_state = "container-state" {
        ContainerStateLoad = "load", ContainerStateSave = "save", ContainerStateRemove = "remove",
        ContainerStateRetain = "retain",
    }
    environment_files = "environment-files" { EnvironmentFilesLoad = "load" }
    host_devices = "host-devices" {
        HostDevicesFindPci = "find-pci", HostDevicesFindAuxiliary = "find-auxiliary",
        HostDevicesFindByPath = "find-by-path",
    }
    dhcp = "dhcp" {
        DhcpAcquire = "acquire", DhcpConfirm = "confirm", DhcpRelease = "release", DhcpRetain = "retain",
        DhcpAvailable = "available",
    }
    delegate = "delegate" { DelegateCall = "call" }
}
