//! A plugin with every host call failing in turn.
#![allow(clippy::panic, reason = "used by tests alone, which fail by panicking")]

use crate::bindings::weir::cni::delegate::Command;
use crate::failure::FailureKind;
use crate::plugin::Plugin;
use crate::testing::World;
use crate::testing::state::with;

/// Run ADD once for each host call that it makes, on a new world each time, with that call failing. Where ADD fails, every
/// plugin that was asked to ADD must have been asked to DEL, and `clean` says whether all else is as it was; it gets the call
/// as text. Where ADD bears the failure nothing is asked. Returns the number of calls.
pub fn fail_each<P: Plugin>(config: &str, prepare: impl Fn(&World), clean: impl Fn(&World, &str)) -> usize {
    let mut nth = 0;
    loop {
        nth += 1;
        let world = World::new();
        prepare(&world);
        world.clear_calls().fail_nth(nth, FailureKind::Io);
        let outcome = world.add::<P>(config);
        let Some(failed) = world.calls().get(nth - 1).cloned() else {
            match outcome {
                Ok(_) => return nth - 1,
                Err(error) => panic!("ADD fails although no host call does: {}", error.msg),
            }
        };
        world.heal();
        let Err(error) = outcome else { continue };
        let call = format!("call {nth} ({failed}): {}", error.msg);
        assert!(error.msg.contains("asked for by the test"), "{call}");
        assert!(delegates_are_balanced(), "addresses are not given back: {call}");
        clean(&world, &call);
    }
}

fn delegates_are_balanced() -> bool {
    let calls = with(|state| state.delegate_calls.clone());
    let count = |kind: &str, wanted| calls.iter().filter(|call| call.0 == kind && call.1 == wanted).count();
    calls.iter().all(|(kind, _)| count(kind, Command::Add) <= count(kind, Command::Del))
}
