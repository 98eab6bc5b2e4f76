//! Asks WASI for what it must not have.

use std::io::Write;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use weir_sdk::bindings::weir::cni::clock;

use crate::call::{Call, Outcome, breach, failed};

fn refused<T>(what: &str, outcome: std::io::Result<T>) -> Result<String, String> {
    match outcome {
        Ok(_) => Err(what.to_owned()),
        Err(error) => Ok(format!("{what}: {error}")),
    }
}

fn all(outcomes: Vec<Result<String, String>>) -> Outcome {
    match outcomes.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(refusals) => failed(120, refusals.join("; ")),
        Err(what) => breach(what),
    }
}

pub fn reads_files(_: &Call) -> Outcome {
    let paths =
        ["/etc/shadow", "/proc/self/environ", "/proc/1/root/etc/passwd", "../../etc/passwd", ".", "/run/secrets/key"];
    all(paths
        .iter()
        .flat_map(|path| [refused(path, std::fs::read(path)), refused(path, std::fs::metadata(path))])
        .collect())
}

pub fn writes_files(_: &Call) -> Outcome {
    all(vec![
        refused("write", std::fs::write("/run/secrets/key", "x")),
        refused("make", std::fs::create_dir("/run/hostile/made")),
        refused("remove", std::fs::remove_file("/run/secrets/key")),
        refused("rename", std::fs::rename("/run/secrets/key", "/run/secrets/gone")),
        refused("link", std::fs::hard_link("/run/secrets/key", "/run/hostile/key")),
    ])
}

pub fn sees_no_environment(_: &Call) -> Outcome {
    let (variables, arguments) = (std::env::vars().count(), std::env::args().count());
    let input = std::io::read_to_string(std::io::stdin()).unwrap_or_default();
    match (variables, arguments, input.len()) {
        (0, 0, 0) => failed(120, "it sees nothing"),
        seen => breach(format!("{seen:?}")),
    }
}

pub fn connects(_: &Call) -> Outcome {
    let datagram = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", "192.0.2.2:9"));
    all(vec![
        refused("127.0.0.1", TcpStream::connect("127.0.0.1:22")),
        refused("192.0.2.2", TcpStream::connect("192.0.2.2:80")),
        refused("::1", TcpStream::connect("[::1]:80")),
        refused("datagram", datagram),
    ])
}

pub fn listens(_: &Call) -> Outcome {
    all(vec![
        refused("0.0.0.0", TcpListener::bind("0.0.0.0:0")),
        refused("::", TcpListener::bind("[::]:8080")),
        refused("datagrams", UdpSocket::bind("127.0.0.1:53")),
    ])
}

pub fn resolves_names(_: &Call) -> Outcome {
    all(vec![
        refused("localhost", "localhost:80".to_socket_addrs()),
        refused("example.com", "example.com:80".to_socket_addrs()),
    ])
}

pub fn exits_with_success(_: &Call) -> Outcome {
    std::process::exit(0)
}

pub fn exits_with_failure(_: &Call) -> Outcome {
    std::process::exit(1)
}

pub fn sleeps_past_the_deadline(_: &Call) -> Outcome {
    std::thread::sleep(std::time::Duration::from_secs(3600));
    clock::now();
    breach("it slept as long as it liked")
}

pub fn prints_without_end(_: &Call) -> Outcome {
    let line = [b'x'; 4096];
    for _ in 0..1000 {
        if std::io::stderr().write_all(&line).is_err() {
            return failed(120, "the output is full");
        }
    }
    breach("4 MiB of output")
}

pub fn asks_for_much_randomness(_: &Call) -> Outcome {
    for _ in 0..2000 {
        std::hint::black_box(std::hash::RandomState::new());
    }
    let map: std::collections::HashSet<u32> = (0..1000).collect();
    failed(120, map.len())
}
