//! Tap links, opened by a program as one would.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::fs::{OFlags, fcntl_setfl};
use weir_native::ErrorKind;
use weir_native::link;
use weir_native::netns::Netns;
use weir_native::virtual_link::{self, LinkKind, LinkOptions, TapOptions, open_queue};

use super::support::{run, test};
use super::veth;

pub(crate) fn tests() -> Vec<Trial> {
    let device = "/dev/net/tun";
    if let Err(error) = File::options().read(true).write(true).open(device) {
        println!("skipped: all tests of taps: open {device}: {error}");
        return Vec::new();
    }
    vec![
        test("a_tap_has_all_that_was_asked_for_and_stays", all_options),
        test("frames_pass_between_a_tap_and_the_program_that_opened_it", frames),
        test("several_queues_of_a_tap_can_be_open", queues),
        test("a_tap_is_not_made_where_the_name_is_taken", taken),
        test("nothing_is_left_of_a_tap_that_could_not_be_configured", refused),
        test("a_tap_in_an_selinux_context_needs_selinux", selinux),
    ]
}

/// Length of `struct virtio_net_hdr`, which stands before each frame.
const HEADER: usize = 10;

fn tap(namespace: &Netns, name: &str, tap: TapOptions, options: &LinkOptions) -> u32 {
    virtual_link::create(namespace, name, &LinkKind::Tap(tap), options, None).unwrap()
}

fn all_options(namespace: &Netns) {
    let wanted = TapOptions { multi_queue: true, owner: Some(0), group: Some(0), selinux_context: None };
    let options = LinkOptions {
        mtu: Some(1300),
        mac: Some(vec![2, 0, 0, 0, 0, 5]),
        up: true,
        alias: Some("for a machine".to_owned()),
    };
    let index = tap(namespace, "tap0", wanted.clone(), &options);
    let info = link::info(namespace, index).unwrap();
    assert_eq!((info.name.as_str(), info.kind.as_deref(), info.mtu, info.up), ("tap0", Some("tun"), 1300, true));
    assert_eq!((info.mac.as_slice(), info.alias.as_deref()), (&[2, 0, 0, 0, 0, 5][..], Some("for a machine")));
    assert_eq!(virtual_link::describe(namespace, index).unwrap(), Some(LinkKind::Tap(wanted)));
    let shown = run(namespace, &["ip", "-d", "link", "show", "tap0"]);
    for word in ["tun type tap", "vnet_hdr on", "persist on", "user", "group", "multi_queue"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }

    let plain = tap(namespace, "tap1", TapOptions::default(), &LinkOptions::default());
    let info = link::info(namespace, plain).unwrap();
    assert_eq!((info.mtu, info.up, info.mac.len()), (1500, false, 6));
    assert_eq!(virtual_link::describe(namespace, plain).unwrap(), Some(LinkKind::Tap(TapOptions::default())));
    assert!(!run(namespace, &["ip", "-d", "link", "show", "tap1"]).contains("multi_queue"));
    link::delete(namespace, plain).unwrap();
    assert_eq!(link::find(namespace, "tap1").unwrap(), None);
}

fn frames(namespace: &Netns) {
    let mac = vec![2, 0, 0, 0, 0, 5];
    let options = LinkOptions { mac: Some(mac.clone()), up: true, ..LinkOptions::default() };
    tap(namespace, "tap0", TapOptions::default(), &options);
    run(namespace, &["ip", "address", "add", "192.0.2.1/24", "dev", "tap0"]);
    let mut machine = open_queue(namespace, "tap0", false).unwrap();
    fcntl_setfl(&machine, OFlags::NONBLOCK).unwrap();

    // Who has 192.0.2.1? Tell 192.0.2.2.
    let mut question = vec![0; HEADER];
    question.extend([0xff; 6]);
    question.extend([2, 0, 0, 0, 0, 6, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    question.extend([2, 0, 0, 0, 0, 6, 192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    // What is answered before the link has its carrier is lost: ask again.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut asked = None::<Instant>;
    let answer = loop {
        assert!(Instant::now() < deadline, "nobody answers");
        if asked.is_none_or(|time| time.elapsed() > Duration::from_millis(100)) {
            assert_eq!(machine.write(&question).unwrap(), question.len());
            asked = Some(Instant::now());
        }
        let mut frame = vec![0; 2048];
        let length = match machine.read(&mut frame) {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let frame = frame[HEADER..length].to_vec();
        // The kernel sends IPv6 of its own accord.
        if frame[12..14] == [8, 6] && frame[20..22] == [0, 2] {
            break frame;
        }
    };
    assert_eq!(answer[0..6], [2, 0, 0, 0, 0, 6]);
    assert_eq!(answer[22..32], [2, 0, 0, 0, 0, 5, 192, 0, 2, 1], "the owner of the address answers");
}

fn queues(namespace: &Netns) {
    tap(namespace, "many", TapOptions { multi_queue: true, ..TapOptions::default() }, &LinkOptions::default());
    let _queues = [(); 3].map(|()| open_queue(namespace, "many", true).unwrap());
    tap(namespace, "one", TapOptions::default(), &LinkOptions::default());
    let _queue = open_queue(namespace, "one", false).unwrap();
    assert_eq!(open_queue(namespace, "one", false).unwrap_err().kind, ErrorKind::Busy);
    assert_eq!(open_queue(namespace, "none", false).unwrap_err().kind, ErrorKind::NotFound);
}

fn taken(namespace: &Netns) {
    veth(namespace, "eth0", "peer0");
    tap(namespace, "tap0", TapOptions::default(), &LinkOptions::default());
    for name in ["eth0", "tap0"] {
        let kind = LinkKind::Tap(TapOptions::default());
        let error = virtual_link::create(namespace, name, &kind, &LinkOptions::default(), None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    }
    assert_eq!(link::list(namespace).unwrap().len(), 4);
}

fn refused(namespace: &Netns) {
    for options in [
        LinkOptions { mtu: Some(10), ..LinkOptions::default() },
        LinkOptions { mtu: Some(70_000), ..LinkOptions::default() },
        LinkOptions { mac: Some(vec![1; 6]), ..LinkOptions::default() },
    ] {
        let kind = LinkKind::Tap(TapOptions::default());
        let error = virtual_link::create(namespace, "tap0", &kind, &options, None).unwrap_err();
        assert_eq!(link::find(namespace, "tap0").unwrap(), None, "{error}");
    }
    for name in ["", "tap%d", "sixteen-is-a-lot"] {
        let kind = LinkKind::Tap(TapOptions::default());
        let error = virtual_link::create(namespace, name, &kind, &LinkOptions::default(), None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{name:?}");
    }
}

fn selinux(namespace: &Netns) {
    if std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        println!("skipped: a_tap_in_an_selinux_context_needs_selinux: SELinux is on here");
        return;
    }
    let context = Some("system_u:system_r:container_t:s0".to_owned());
    let kind = LinkKind::Tap(TapOptions { selinux_context: context, ..TapOptions::default() });
    let error = virtual_link::create(namespace, "tap0", &kind, &LinkOptions::default(), None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("SELinux is off"), "{error}");
    assert_eq!(link::find(namespace, "tap0").unwrap(), None);
}
