//! Uses handles as they must not be used.

use std::mem::forget;

use weir_sdk::bindings::weir::cni::links::{self, Link, LinkChanges};
use weir_sdk::bindings::weir::cni::namespaces::Netns;
use weir_sdk::bindings::weir::cni::traffic_control;

use crate::call::{Attempts, Call, Outcome, breach, nothing, prepared};
use crate::scene::{BRIDGE, SAME, SIDE, UPLINK, container, host, link, own_pair, uplink};

pub fn used_after_drop(_: &Call) -> Outcome {
    let namespace = container()?;
    let number = namespace.handle();
    drop(namespace);
    // SAFETY: none is meant: the host must notice.
    let ghost = unsafe { Netns::from_handle(number) };
    let outcome = links::list(&ghost);
    forget(ghost);
    breach(format!("{outcome:?}"))
}

pub fn dropped_twice(_: &Call) -> Outcome {
    let namespace = container()?;
    // SAFETY: as above.
    let twin = unsafe { Netns::from_handle(namespace.handle()) };
    drop(namespace);
    drop(twin);
    breach("dropped twice")
}

pub fn guessed(_: &Call) -> Outcome {
    for number in [2, 3, 7, 100, 1 << 20, u32::MAX - 1] {
        // SAFETY: as above.
        let guess = unsafe { Netns::from_handle(number) };
        let outcome = links::list(&guess);
        forget(guess);
        if outcome.is_ok() {
            return breach(number);
        }
    }
    breach("no guess was stopped")
}

pub fn of_another_type(_: &Call) -> Outcome {
    let namespace = container()?;
    // SAFETY: as above.
    let disguised = unsafe { Link::from_handle(namespace.handle()) };
    let outcome = disguised.info();
    forget(disguised);
    breach(format!("{outcome:?}"))
}

/// Fine: the link's handle holds what it needs.
pub fn link_that_outlives_its_namespace_handle(_: &Call) -> Outcome {
    let side = {
        let namespace = container()?;
        link(&namespace, SIDE)?
    };
    prepared("look at the link", side.info())?;
    nothing()
}

pub fn link_that_was_deleted(call: &Call) -> Outcome {
    let (own, other_end) = own_pair(call)?;
    prepared("delete the own link", own.delete())?;
    let mut attempts = Attempts::new();
    attempts.to("look", own.info());
    attempts.to("look at the other end", other_end.info());
    attempts.to("change", own.update(&LinkChanges { up: Some(true), ..SAME }));
    attempts.to("delete again", own.delete());
    attempts.end()
}

pub fn controller_of_another_namespace(call: &Call) -> Outcome {
    let (own, _) = own_pair(call)?;
    let mut attempts = Attempts::new();
    attempts.to("put it under the host's bridge", own.set_controller(Some(&link(&host()?, BRIDGE)?)));
    attempts.end()
}

pub fn redirect_into_another_namespace(call: &Call) -> Outcome {
    let (own, _) = own_pair(call)?;
    let mut attempts = Attempts::new();
    attempts.to("redirect to the host's link", traffic_control::redirect(&own, &link(&host()?, UPLINK)?));
    attempts.to("redirect the host's link", traffic_control::redirect(&uplink()?, &own));
    attempts.end()
}
