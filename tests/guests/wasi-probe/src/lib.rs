//! A plugin built for wasm32-wasip2. ADD prints to both outputs and fails with a report of what WASI gave it.

use std::time::Instant;

use weir_sdk::{AddResult, Error, Plugin, Request, Result};

weir_sdk::manifest! {
    name: "wasi-probe",
    description: "Reports what WASI gives it.",
    needs: {},
}

weir_sdk::export_plugin!(WasiProbe);

/// The plugin.
#[derive(Debug)]
pub struct WasiProbe;

/// Codes of 100 and above are a plugin's own.
const REPORT: u32 = 142;

impl Plugin for WasiProbe {
    fn add(_: &Request) -> Result<AddResult> {
        println!("probe says hello on standard output");
        eprintln!("probe says hello on standard error");
        let started = Instant::now();
        let report = serde_json::json!({
            "arguments": std::env::args().count(),
            "variables": std::env::vars().count(),
            "input": std::io::stdin().lines().count(),
            "root": std::fs::read_dir("/").is_ok(),
            "passwd": std::fs::read("/etc/passwd").is_ok(),
            "write": std::fs::write("/tmp/wasi-probe", "x").is_ok(),
            "connect": std::net::TcpStream::connect("127.0.0.1:80").map_err(|e| e.kind()) .is_ok(),
            "listen": std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
            "resolve": std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok(),
            "clock": started.elapsed().as_secs() < 60,
        });
        Err(Error::new(REPORT, report.to_string()))
    }

    fn del(_: &Request) -> Result<()> {
        Ok(())
    }

    fn check(_: &Request) -> Result<()> {
        Ok(())
    }
}
