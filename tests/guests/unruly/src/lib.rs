//! A plugin that goes up to each limit of the sandbox, or past it, on demand: the key `deed` of its configuration says
//! to which, `count` how far.

mod counted;

use weir_sdk::{AddResult, Error, GcRequest, Plugin, Request, Result, clock, state};

weir_sdk::manifest! {
    name: "unruly",
    description: "Breaks each limit of the sandbox on demand.",
    needs: {
        attachment_state: "save what is too large",
        clock: "call the host without end",
        container_namespace: "hold handles without end",
        delegate: "call itself without end",
        log: "write lines without end",
    },
    asks: {
        delegates: ["unruly"] => "itself",
        directories: ["/run/cni/unruly"] => "what is too large",
    },
}

weir_sdk::export_plugin!(Unruly);

/// The plugin.
#[derive(Debug)]
pub struct Unruly;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Config {
    deed: String,
    count: usize,
}

impl Plugin for Unruly {
    fn add(request: &Request) -> Result<AddResult> {
        let Config { deed, count } = request.config::<Config>()?;
        match deed.as_str() {
            "spin" => spin(),
            "recurse" => Err(Error::internal(recurse(1).to_string())),
            "grow" => grow(),
            "panic" => panic_on_purpose(),
            "call" => loop {
                clock::now();
            },
            "sleep" => loop {
                clock::sleep(std::time::Duration::from_secs(3600));
            },
            "long-result" => Ok(long_result()),
            other => counted::add(request, other, count),
        }
    }

    fn gc(request: &GcRequest) -> Result<()> {
        state::retain(None, request).map(drop).map_err(|failure| Error::internal(failure.message))
    }

    fn del(_: &Request) -> Result<()> {
        Ok(())
    }

    fn check(_: &Request) -> Result<()> {
        Ok(())
    }
}

fn spin() -> ! {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(3));
    }
}

#[expect(unconditional_recursion, reason = "the deed")]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    recurse(depth.wrapping_add(1)).wrapping_add(frame.iter().sum())
}

fn grow() -> ! {
    loop {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(clippy::panic, reason = "the deed")]
fn panic_on_purpose() -> ! {
    panic!("on purpose")
}

fn long_result() -> AddResult {
    let mut result = AddResult::default();
    result.dns.domain = "x".repeat(2 << 20);
    result
}
