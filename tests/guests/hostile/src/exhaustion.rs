//! Takes more than its share.

use std::hint::black_box;
use std::mem::forget;

use weir_sdk::bindings::weir::cni::addresses::{self, NewAddress};
use weir_sdk::bindings::weir::cni::attachment_state;
use weir_sdk::bindings::weir::cni::ipam_store::{self, AddressRange};
use weir_sdk::bindings::weir::cni::nftables::{self, Command, Family, NewRule, Rule, Statement, Table};
use weir_sdk::bindings::weir::cni::types::IpAddress;
use weir_sdk::bindings::weir::cni::{clock, container_namespace, links, log};

use crate::call::{Attempts, Call, Outcome, failed, nothing};
use crate::scene::{SIDE, container, host, link, network, own_pair, v4};

fn spin() -> ! {
    let mut number = 1_u64;
    loop {
        number = black_box(number.wrapping_mul(3));
    }
}

pub fn spin_in_add(_: &Call) -> Outcome {
    spin()
}

pub fn spin_in_del(_: &Call) -> Outcome {
    spin()
}

pub fn spin_in_check(_: &Call) -> Outcome {
    spin()
}

pub fn spin_in_gc(_: &Call) -> Outcome {
    spin()
}

pub fn spin_in_status(_: &Call) -> Outcome {
    spin()
}

#[expect(unconditional_recursion, reason = "the attack")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(depth.wrapping_add(1)).wrapping_add(frame.iter().sum())
}

pub fn recursion(_: &Call) -> Outcome {
    failed(198, deeper(1))
}

pub fn memory_past_the_cap(_: &Call) -> Outcome {
    loop {
        forget(black_box(vec![1_u8; 1 << 20]));
    }
}

/// All that can be had at once, then in halves; tells how many pages there are in the end.
pub fn memory_in_one_step(_: &Call) -> Outcome {
    let mut step = 65_535;
    while step > 0 {
        if core::arch::wasm32::memory_grow::<0>(step) == usize::MAX {
            step /= 2;
        }
    }
    failed(150, core::arch::wasm32::memory_size::<0>())
}

pub fn panic_with_a_flood_of_text(_: &Call) -> Outcome {
    panic!("{}", "flood ".repeat(1 << 20))
}

pub fn abort(_: &Call) -> Outcome {
    std::process::abort()
}

pub fn log_flood(_: &Call) -> Outcome {
    let line = "flood ".repeat(600);
    for _ in 0..20_000 {
        log::write(log::Level::Error, &line);
    }
    nothing()
}

pub fn log_line_without_end(_: &Call) -> Outcome {
    log::write(log::Level::Error, &"line ".repeat(2 << 20));
    nothing()
}

pub fn log_line_that_forges_another(_: &Call) -> Outcome {
    log::write(log::Level::Error, "\n\rweir: bridge: error: forged\u{1b}[2J\u{85}weir: bridge: error: forged\u{2028}");
    nothing()
}

pub fn call_flood(_: &Call) -> Outcome {
    loop {
        clock::now();
    }
}

pub fn handle_flood(_: &Call) -> Outcome {
    loop {
        forget(container_namespace::open());
    }
}

pub fn sleep_past_the_deadline(_: &Call) -> Outcome {
    clock::sleep(u32::MAX);
    nothing()
}

pub fn wait_for_a_link_past_the_deadline(call: &Call) -> Outcome {
    let (own, _) = own_pair(call)?;
    let mut attempts = Attempts::new();
    attempts.to("wait", own.wait_operational(u32::MAX));
    attempts.to("settle", addresses::wait_settled(&own, u32::MAX));
    clock::now();
    attempts.end()
}

pub fn huge_text_to_the_host(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("find", links::find(&container()?, &"x".repeat(24 << 20)));
    attempts.end()
}

pub fn huge_list_to_the_host(_: &Call) -> Outcome {
    let address = NewAddress { network: network(v4(10, 0, 0, 1), 32), no_dad: true, no_prefix_route: true };
    let side = link(&container()?, SIDE)?;
    let mut attempts = Attempts::new();
    attempts.to("add addresses", addresses::add(&side, &vec![address; 400_000]));
    attempts.end()
}

pub fn lists_of_lists(_: &Call) -> Outcome {
    let rule = Rule { statements: vec![Statement::Counter; 500], comment: String::new() };
    let add = Command::AddRule(NewRule { chain: "c".into(), first: false, rule });
    let table = Table { family: Family::Inet, name: "hostile".into() };
    let mut attempts = Attempts::new();
    attempts.to("add rules", nftables::apply(&host()?, &table, &vec![add; 400]));
    attempts.end()
}

pub fn huge_document(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("save", attachment_state::save(Some("/run/cni/hostile"), &vec![b'x'; 8 << 20]));
    attempts.end()
}

pub fn huge_result(_: &Call) -> Outcome {
    Ok(format!(r#"{{"cniVersion": "1.1.0", "dns": {{"domain": "{}"}}}}"#, "x".repeat(2 << 20)))
}

pub fn huge_error(_: &Call) -> Outcome {
    failed(150, "error ".repeat(1 << 20))
}

pub fn count_all_of_ipv6(_: &Call) -> Outcome {
    let (first, last) = (IpAddress::Ipv6((0, 0)), IpAddress::Ipv6((u64::MAX, u64::MAX)));
    let all = AddressRange { first, last, except: None };
    let mut attempts = Attempts::new();
    match ipam_store::open(None) {
        Ok(store) => match store.count_free(&vec![all; 1000]) {
            Ok(count) => return failed(150, count),
            Err(failure) => attempts.to::<()>("count", Err(failure)),
        },
        Err(failure) => attempts.to("open", Err(failure)),
    };
    attempts.end()
}
