//! From the contract's exports to the payload that the configuration names.

use weir_sdk::bindings::exports::weir::cni::plugin::{CniError, GcRequest, Guest, Request, StatusRequest};

use crate::call::{Call, Outcome, failed, nothing};
use crate::{
    delegates, exhaustion, files, handles, host_links, host_routing, names, others, reentrancy, results, runtime, wasi,
};

macro_rules! run_one {
    ($($family:ident { $($payload:ident),* $(,)? })*) => {
        fn payload(name: &str, call: &Call) -> Outcome {
            match name {
                $($(concat!(stringify!($family), "/", stringify!($payload)) => $family::$payload(call),)*)*
                "" => nothing(),
                other => failed(198, format!("no payload {other}")),
            }
        }
    };
}

for_each_payload!(run_one);

fn run(mut call: Call) -> Outcome {
    call.config = serde_json::from_str(&call.raw_config).unwrap_or_default();
    let when = if call.text("when").is_empty() { "ADD" } else { call.text("when") };
    if when == call.command { payload(call.text("payload"), &call) } else { nothing() }
}

fn of_attachment(command: &'static str, request: Request) -> Outcome {
    run(Call {
        command,
        raw_config: request.config,
        interface: request.attachment.interface_name,
        prev_result: request.prev_result,
        ..Call::default()
    })
}

struct Hostile;

impl Guest for Hostile {
    fn add(request: Request) -> Outcome {
        of_attachment("ADD", request)
    }

    fn del(request: Request) -> Result<(), CniError> {
        of_attachment("DEL", request).map(drop)
    }

    fn check(request: Request) -> Result<(), CniError> {
        of_attachment("CHECK", request).map(drop)
    }

    fn gc(request: GcRequest) -> Result<(), CniError> {
        run(Call { command: "GC", raw_config: request.config, ..Call::default() }).map(drop)
    }

    fn status(request: StatusRequest) -> Result<(), CniError> {
        run(Call { command: "STATUS", raw_config: request.config, ..Call::default() }).map(drop)
    }
}

weir_sdk::bindings::export!(Hostile with_types_in weir_sdk::bindings);
