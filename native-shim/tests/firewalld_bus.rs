//! The client of firewalld against a bus that a test plays: what is sent, what is made of answers, and of nonsense.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use weir_native::{ErrorKind, firewalld};

/// An answer to a call: type of the message, name of the error, signature and body.
type Answer = (u8, &'static str, &'static str, Vec<u8>);

fn text(words: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(words.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(words.as_bytes());
    bytes.push(0);
    bytes
}

fn message(to: u32, (kind, error, signature, body): &Answer) -> Vec<u8> {
    let mut fields = vec![5, 1, b'u', 0];
    fields.extend_from_slice(&to.to_le_bytes());
    if !error.is_empty() {
        fields.extend_from_slice(&[4, 1, b's', 0]);
        fields.extend_from_slice(&text(error));
        fields.resize(fields.len().next_multiple_of(8), 0);
    }
    if !signature.is_empty() {
        fields.extend_from_slice(&[8, 1, b'g', 0, 1, signature.as_bytes()[0], 0]);
    }
    let mut message = vec![b'l', *kind, 0, 1];
    message.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    message.extend_from_slice(&9_u32.to_le_bytes());
    message.extend_from_slice(&u32::try_from(fields.len()).unwrap().to_le_bytes());
    message.extend_from_slice(&fields);
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend_from_slice(body);
    message
}

fn line(stream: &mut UnixStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

/// A received call: its number and its bytes.
fn call(stream: &mut UnixStream) -> (u32, String) {
    let mut start = [0; 16];
    stream.read_exact(&mut start).unwrap();
    let number = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().unwrap());
    let rest = (16 + number(12) as usize).next_multiple_of(8) - 16 + number(4) as usize;
    let mut bytes = vec![0; rest];
    stream.read_exact(&mut bytes).unwrap();
    (number(8), String::from_utf8_lossy(&bytes).into_owned())
}

/// Serve one connection; the bytes of its second call.
fn serve(listener: &UnixListener, answer: Vec<Answer>) -> JoinHandle<String> {
    let listener = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let hello = line(&mut stream);
        assert!(hello.starts_with("\0AUTH EXTERNAL 3"), "{hello:?}");
        stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
        assert_eq!(line(&mut stream), "BEGIN\r\n");
        let (serial, words) = call(&mut stream);
        assert!(words.contains("Hello"), "{words:?}");
        // A signal comes in between.
        stream.write_all(&message(0, &(4, "", "s", text("name")))).unwrap();
        stream.write_all(&message(serial, &(2, "", "s", text(":1.7")))).unwrap();
        let (serial, words) = call(&mut stream);
        for one in answer {
            stream.write_all(&message(serial, &one)).unwrap();
        }
        words
    })
}

const EXCEPTION: &str = "org.fedoraproject.FirewallD1.Exception";

/// One test, because the address of the bus is the process's.
#[test]
fn calls_and_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bus");
    let listener = UnixListener::bind(&path).unwrap();
    // SAFETY: this program has one test, and no other thread looks at the environment while it runs.
    unsafe { std::env::set_var("DBUS_SYSTEM_BUS_ADDRESS", format!("tcp:host=x;unix:path={}", path.display())) };
    let source = "10.0.0.2/32".parse().unwrap();
    let refusal = |words: &str| vec![(3, EXCEPTION, "s", text(words))];

    let bus = serve(&listener, vec![(2, "", "b", vec![1, 0, 0, 0])]);
    assert!(firewalld::available());
    assert!(bus.join().unwrap().contains("org.fedoraproject.FirewallD1"));

    let bus = serve(&listener, vec![(2, "", "s", text("trusted"))]);
    assert_eq!(firewalld::add_source("trusted", source), Ok(()));
    let words = bus.join().unwrap();
    assert!(words.contains("addSource") && words.contains("trusted") && words.contains("10.0.0.2/32"), "{words:?}");

    for (words, kind) in [
        ("ZONE_ALREADY_SET: trusted", None),
        ("ZONE_CONFLICT: drop", Some(ErrorKind::AlreadyExists)),
        ("INVALID_ZONE: nowhere", Some(ErrorKind::Invalid)),
    ] {
        let bus = serve(&listener, refusal(words));
        assert_eq!(firewalld::add_source("trusted", source).err().map(|error| error.kind), kind, "{words}");
        bus.join().unwrap();
    }
    let bus = serve(&listener, refusal("UNKNOWN_SOURCE: 10.0.0.2/32"));
    assert_eq!(firewalld::remove_source("trusted", source), Ok(()));
    bus.join().unwrap();
    let bus = serve(&listener, vec![(2, "", "b", vec![0, 0, 0, 0])]);
    assert_eq!(firewalld::has_source("trusted", source), Ok(false));
    bus.join().unwrap();

    // It hangs up, or says something else than was asked.
    let bus = serve(&listener, Vec::new());
    assert_eq!(firewalld::has_source("trusted", source).unwrap_err().kind, ErrorKind::Io);
    bus.join().unwrap();
    let bus = serve(&listener, vec![(2, "", "s", text("yes"))]);
    assert_eq!(firewalld::has_source("trusted", source).unwrap_err().kind, ErrorKind::Io);
    bus.join().unwrap();

    drop(listener);
    let error = firewalld::add_source("trusted", source).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
    assert!(!firewalld::available());
}
