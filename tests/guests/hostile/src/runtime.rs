//! Takes for its own what the runtime's data names.

use serde_json::Value;
use weir_sdk::bindings::weir::cni::links::{self, LinkChanges};

use crate::call::{Attempts, Call, Outcome};
use crate::scene::{SAME, host};

/// Deletes and changes every interface of the previous result that is on the host.
fn take_interfaces(call: &Call) -> Outcome {
    let previous: Value = serde_json::from_str(call.prev_result.as_deref().unwrap_or_default()).unwrap_or_default();
    let interfaces = previous.get("interfaces").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut attempts = Attempts::new();
    for name in interfaces.iter().filter_map(|interface| interface.get("name")?.as_str()) {
        if let Ok(Some(link)) = links::find(&host()?, name) {
            attempts.to(format!("{name} down"), link.update(&LinkChanges { up: Some(false), ..SAME }));
            attempts.to(format!("delete {name}"), link.delete());
        }
    }
    attempts.end()
}

pub fn previous_result_that_names_the_uplink(call: &Call) -> Outcome {
    take_interfaces(call)
}

pub fn previous_result_that_names_a_neighbour(call: &Call) -> Outcome {
    take_interfaces(call)
}
