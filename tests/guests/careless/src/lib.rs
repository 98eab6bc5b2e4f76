//! A plugin that makes something of each kind and never cleans up: its DEL and its GC do nothing. The key `end` of its
//! configuration says how its ADD ends, `shared` whether it also changes what is for all attachments.

mod deeds;

use weir_sdk::{AddResult, Error, GcRequest, Plugin, Request, Result, StatusRequest};

weir_sdk::manifest! {
    name: "careless",
    description: "Makes something of each kind and never cleans up.",
    needs: {
        container_namespace: "leave something in it",
        host_namespace: "leave something in it",
        links: "leave links behind",
        bridges: "leave a bridge behind",
        addresses: "leave addresses behind",
        routes: "leave routes behind",
        rules: "leave rules behind",
        sysctls: "leave parameters changed",
        traffic_control: "leave a shaper behind",
        nftables: "leave rules behind",
        ipam_store: "leave an address taken",
        attachment_state: "leave a document behind",
    },
    asks: {
        link_kinds: ["veth", "bridge"] => "leave links behind",
        host_links: ["uplink0", "spare0", "careless*"] => "leave them changed",
        lower_links: ["spare0"] => "take it",
        container_links: ["*"] => "leave them changed",
        host_routes: ["10.78.0.0/24", "10.79.0.0/24", "10.80.0.0/24"] =>
            "leave addresses and a route behind",
        host_rules: ["100", "101"] => "leave rules behind",
        host_sysctls: ["net/ipv4/ip_forward"] => "leave it changed",
        container_sysctls: ["net/ipv4/ip_forward"] => "leave it changed",
        nftables: ["inet careless"] => "leave rules behind",
        directories: ["/run/test/careless", "/run/cni/careless"] => "leave files behind",
    },
}

weir_sdk::export_plugin!(Careless);

/// The plugin.
#[derive(Debug)]
pub struct Careless;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Config {
    end: String,
    shared: bool,
    bridge: String,
}

impl Plugin for Careless {
    fn add(request: &Request) -> Result<AddResult> {
        let config: Config = request.config()?;
        deeds::all(request)?;
        if config.shared {
            deeds::shared(&config.bridge)?;
        }
        match config.end.as_str() {
            "error" => Err(Error::internal("on purpose")),
            "panic" => panic_on_purpose(),
            "spin" => spin(),
            // No version can express it.
            "nonsense" => Ok(nonsense()),
            _ => Ok(AddResult::default()),
        }
    }

    fn del(request: &Request) -> Result<()> {
        match request.config::<Config>()?.end.as_str() {
            "error" => Err(Error::internal("on purpose")),
            "panic" => panic_on_purpose(),
            _ => Ok(()),
        }
    }

    fn check(_: &Request) -> Result<()> {
        Ok(())
    }

    fn gc(_: &GcRequest) -> Result<()> {
        Ok(())
    }

    fn status(_: &StatusRequest) -> Result<()> {
        Ok(())
    }
}

#[expect(clippy::panic, reason = "the deed")]
fn panic_on_purpose() -> ! {
    panic!("on purpose")
}

fn spin() -> ! {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(3));
    }
}

fn nonsense() -> AddResult {
    let mut result = AddResult::default();
    result.dns.domain = "x".repeat(2 << 20);
    result
}
