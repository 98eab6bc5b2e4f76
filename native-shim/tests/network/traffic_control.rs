//! Shaping and redirects, as the kernel keeps them and as tc(8) sees them.

use libtest_mimic::Trial;
use weir_native::netns::Netns;
use weir_native::traffic_control::{TokenBucket, redirect, redirects, remove_redirect, remove_shaper, shape, shaper};
use weir_native::{ErrorKind, link};

use super::support::{run, test};
use super::veth;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_token_bucket_reads_back_at_rates_small_and_large", reads_back),
        test("tc_sees_the_token_bucket_as_it_was_meant", as_tc_sees_it),
        test("a_token_bucket_of_tc_is_read", made_by_tc),
        test("a_link_that_is_shaped_is_not_shaped_again", shaped_once),
        test("removing_a_shaper_leaves_other_disciplines_alone", other_disciplines),
        test("what_comes_in_is_redirected_by_one_action", redirected),
        test("redirects_of_others_are_read", made_by_others),
        test("a_redirect_is_made_once_and_not_in_somebodys_discipline", redirected_once),
        test("a_link_that_is_gone_is_named", gone),
    ]
}

const BUCKET: TokenBucket = TokenBucket { rate: 1_000_000, burst: 100_000, limit: 50_000 };

fn ifb(namespace: &Netns, name: &str) -> u32 {
    run(namespace, &["ip", "link", "add", name, "type", "ifb"]);
    link::find(namespace, name).unwrap().unwrap().index
}

fn reads_back(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    assert_eq!(shaper(namespace, link).unwrap(), None);
    for rate in [1, 1000, 1_000_000, 125_000_000, u64::from(u32::MAX), 1 << 32, 12_500_000_000, 1 << 40] {
        let bucket = TokenBucket { rate, burst: 270.min(rate * 270) as u32 + (rate / 100) as u32, limit: 40_000 };
        shape(namespace, link, &bucket).unwrap();
        let found = shaper(namespace, link).unwrap().unwrap();
        assert_eq!((found.rate, found.limit), (bucket.rate, bucket.limit));
        // The kernel multiplies and shifts, and cuts the time to whole ticks of 64 ns.
        let allowed = rate / (1_000_000_000 / 64) + u64::from(bucket.burst) / 10_000 + 1;
        assert!(u64::from(found.burst.abs_diff(bucket.burst)) <= allowed, "{found:?} instead of {bucket:?}");
        remove_shaper(namespace, link).unwrap();
        assert_eq!(shaper(namespace, link).unwrap(), None);
    }
    remove_shaper(namespace, link).unwrap();
}

fn as_tc_sees_it(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    shape(namespace, link, &TokenBucket { rate: 1_000_000, burst: 100_000, limit: 125_000 }).unwrap();
    let text = run(namespace, &["tc", "qdisc", "show", "dev", "eth0"]);
    assert!(text.starts_with("qdisc tbf 1: root "), "{text}");
    // 25,000 bytes more than the bucket holds wait for 25 ms.
    assert!(text.contains(" rate 8Mbit burst 100000b lat 25ms"), "{text}");
}

fn made_by_tc(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    let words = "tc qdisc add dev eth0 root handle 7: tbf rate 16mbit burst 20000 limit 30000";
    run(namespace, &words.split(' ').collect::<Vec<_>>());
    let found = shaper(namespace, link).unwrap().unwrap();
    assert_eq!((found.rate, found.limit), (2_000_000, 30_000));
    assert!(found.burst.abs_diff(20_000) <= 2, "{found:?}");
    remove_shaper(namespace, link).unwrap();
    assert_eq!(shaper(namespace, link).unwrap(), None);
}

fn shaped_once(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    shape(namespace, link, &BUCKET).unwrap();
    let error = shape(namespace, link, &TokenBucket { rate: 5, burst: 5, limit: 5 }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert!(error.message.contains(&format!("link with index {link}")), "{error}");
    assert_eq!(shaper(namespace, link).unwrap().unwrap().rate, BUCKET.rate, "the first one stays");
}

fn other_disciplines(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    run(namespace, &["tc", "qdisc", "add", "dev", "eth0", "root", "handle", "5:", "pfifo"]);
    assert_eq!(shaper(namespace, link).unwrap(), None);
    remove_shaper(namespace, link).unwrap();
    assert!(run(namespace, &["tc", "qdisc", "show", "dev", "eth0"]).contains("pfifo 5:"));
    assert_eq!(shape(namespace, link, &BUCKET).unwrap_err().kind, ErrorKind::AlreadyExists);
}

fn redirected(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    let target = ifb(namespace, "ifb7");
    assert_eq!(redirects(namespace, link).unwrap(), [0_u32; 0]);
    redirect(namespace, link, target).unwrap();
    assert_eq!(redirects(namespace, link).unwrap(), [target]);
    let text = run(namespace, &["tc", "filter", "show", "dev", "eth0", "parent", "ffff:"]);
    assert_eq!(text.matches("mirred (Egress Redirect to device ifb7) stolen").count(), 1, "{text}");
    assert!(text.contains("protocol all pref 1 u32") && text.contains("match 00000000/00000000 at 0"), "{text}");

    link::delete(namespace, target).unwrap();
    assert_eq!(redirects(namespace, link).unwrap(), [0], "the target is gone, the filter is not");
    remove_redirect(namespace, link).unwrap();
    assert_eq!(redirects(namespace, link).unwrap(), [0_u32; 0]);
    assert!(!run(namespace, &["tc", "qdisc", "show", "dev", "eth0"]).contains("ingress"));
    remove_redirect(namespace, link).unwrap();
}

fn made_by_others(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    let target = ifb(namespace, "ifb7");
    run(namespace, &["tc", "qdisc", "add", "dev", "eth0", "ingress"]);
    let filter = "tc filter add dev eth0 parent ffff:";
    let send = "action mirred egress redirect dev ifb7";
    for words in [
        format!("{filter} protocol ip prio 5 u32 match u32 0 0 {send}"),
        format!("{filter} protocol all prio 6 u32 match u32 1 1 {send}"),
        format!("{filter} protocol all prio 7 u32 match u32 0 0 action mirred egress mirror dev ifb7"),
    ] {
        run(namespace, &words.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(redirects(namespace, link).unwrap(), [0_u32; 0], "none of them takes every packet away");
    // As the native plugin bandwidth writes it.
    let twice = format!("{filter} protocol all prio 8 u32 match u32 0 0 {send} {send}");
    run(namespace, &twice.split(' ').collect::<Vec<_>>());
    assert_eq!(redirects(namespace, link).unwrap(), [target, target]);
}

fn redirected_once(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    let target = ifb(namespace, "ifb7");
    run(namespace, &["tc", "qdisc", "add", "dev", "eth0", "ingress"]);
    let error = redirect(namespace, link, target).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert_eq!(redirects(namespace, link).unwrap(), [0_u32; 0]);
    remove_redirect(namespace, link).unwrap();

    // A filter that the kernel refuses takes the discipline along.
    assert!(redirect(namespace, link, 4711).is_err());
    assert!(!run(namespace, &["tc", "qdisc", "show", "dev", "eth0"]).contains("ingress"));
    assert_eq!(redirect(namespace, link, link).unwrap_err().kind, ErrorKind::Invalid);
    redirect(namespace, link, target).unwrap();
}

fn gone(namespace: &Netns) {
    for error in [
        shape(namespace, 4711, &BUCKET).unwrap_err(),
        shaper(namespace, 4711).unwrap_err(),
        remove_shaper(namespace, 4711).unwrap_err(),
        redirect(namespace, 4711, 1).unwrap_err(),
        remove_redirect(namespace, 4711).unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        assert!(error.message.contains("4711"), "{error}");
    }
    for index in [0, u32::MAX] {
        assert_eq!(shaper(namespace, index).unwrap_err().kind, ErrorKind::Invalid);
    }
}
