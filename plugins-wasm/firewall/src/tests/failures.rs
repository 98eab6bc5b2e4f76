//! Whatever host call fails, ADD leaves nothing, and a DEL that failed can be repeated.

use super::*;

fn prepared() -> World {
    let world = world();
    world.with_firewalld();
    iptables_is_used();
    foreign_chain(Policy::Drop);
    world.clear_calls();
    world
}

fn all_keys() -> [Value; 4] {
    [
        json!({"backend": "nftables", "ingressPolicy": "same-bridge"}),
        json!({"backend": "iptables", "ingressPolicy": "isolated"}),
        json!({"backend": "firewalld", "ingressPolicy": "isolated"}),
        json!({}),
    ]
}

#[test]
fn a_failed_add_leaves_nothing() {
    for keys in all_keys() {
        let text = config("net", &keys);
        let mut failed = 0;
        for nth in 1.. {
            let world = prepared();
            world.fail_nth(nth, FailureKind::Io);
            let outcome = world.add::<Firewall>(&text);
            let call = world.calls().get(nth - 1).cloned();
            let Err(error) = outcome else {
                match call {
                    // Some calls have no failure of their own.
                    Some(_) => continue,
                    None => break,
                }
            };
            let call = call.unwrap_or_default();
            assert!(error.msg.contains("asked for by the test"), "{call}: {}", error.msg);
            assert_eq!(traces(&world), Vec::<String>::new(), "{keys}: {call}");
            failed += 1;
        }
        assert!(failed > 5, "{keys}: {failed}");
    }
}

#[test]
fn a_del_that_failed_can_be_repeated_without_the_result() {
    for keys in all_keys() {
        let (text, bare) = (config("net", &keys), without_result("net", &keys));
        for nth in 1.. {
            let world = prepared();
            world.add::<Firewall>(&text).unwrap();
            world.clear_calls();
            world.fail_nth(nth, FailureKind::Io);
            let outcome = world.del::<Firewall>(&bare);
            let Some(call) = world.calls().get(nth - 1).cloned() else { break };
            assert!(outcome.is_err() || traces(&world).is_empty(), "{keys}: {call}");
            world.heal();
            assert_eq!(world.del::<Firewall>(&bare), Ok(()), "{keys}: {call}");
            assert_eq!(traces(&world), Vec::<String>::new(), "{keys}: {call}");
        }
    }
}

#[test]
fn gc_that_failed_can_be_repeated() {
    let text = config("net", &json!({"backend": "firewalld", "ingressPolicy": "isolated"}));
    for nth in 1.. {
        let world = prepared();
        world.add::<Firewall>(&text).unwrap();
        world.clear_calls();
        world.fail_nth(nth, FailureKind::Io);
        let outcome = world.gc::<Firewall>(&text, &[]);
        let Some(call) = world.calls().get(nth - 1).cloned() else { break };
        assert!(outcome.is_err() || traces(&world).is_empty(), "{call}");
        world.heal();
        assert_eq!(world.gc::<Firewall>(&text, &[]), Ok(()), "{call}");
        assert_eq!(traces(&world), Vec::<String>::new(), "{call}");
    }
}
