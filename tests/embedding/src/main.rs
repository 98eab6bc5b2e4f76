//! A process that runs plugins in itself, as a container runtime would, without a compiler in it.
//!
//! `weir-embedding SOCKET DIRECTORY...` trusts the plugins of the directories and listens on a unix socket. Each
//! connection carries one request and one answer, JSON documents on a line each, and has a thread.

mod network;
mod run;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use weir::embedding::InProcess;

/// As in `weir-cni`, which it is measured against.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What can be asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    /// One run of a plugin.
    Run(run::Run),
    /// An operation of libcni on a network.
    Network(network::Operation),
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-embedding: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let socket = arguments.next().context("usage: weir-embedding SOCKET DIRECTORY...")?;
    let exec = InProcess::new(arguments)?;
    let listener = UnixListener::bind(&socket).with_context(|| format!("listen on {}", socket.display()))?;
    for stream in listener.incoming() {
        let (stream, exec) = (stream?, exec.clone());
        std::thread::spawn(move || {
            if let Err(error) = answer(stream, &exec) {
                eprintln!("weir-embedding: {error:#}");
            }
        });
    }
    Ok(())
}

fn answer(mut stream: UnixStream, exec: &InProcess) -> Result<()> {
    let mut line = String::new();
    // Who asks nothing wants to know whether anybody listens.
    if BufReader::new(&stream).read_line(&mut line)? == 0 {
        return Ok(());
    }
    let answer: Value = match serde_json::from_str(&line)? {
        Request::Run(run) => run.answer(exec),
        Request::Network(operation) => operation.answer(exec),
    };
    Ok(stream.write_all(format!("{answer}\n").as_bytes())?)
}
