//! The configuration: the daemon's socket, options to send and options to ask for.

use serde::Deserialize;
use weir_sdk::cni_spec::Args;
use weir_sdk::cni_spec::quoted::Quoted;
use weir_sdk::dhcp::ClientOptions;
use weir_sdk::{Error, Request, Result, StatusRequest};

use crate::options::{self, ROUTERS, SUBNET_MASK};

/// Longest value of an option: its length is one byte.
const LONGEST_VALUE: usize = 255;

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) socket: Socket,
    pub(crate) options: ClientOptions,
}

/// The one key that DEL and GC need.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Socket {
    ipam: SocketIpam,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SocketIpam {
    daemon_socket_path: String,
}

impl Socket {
    /// Where the daemon listens; none: at the default.
    pub(crate) fn path(&self) -> Option<&str> {
        Some(self.ipam.daemon_socket_path.as_str()).filter(|path| !path.is_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    ipam: Option<Ipam>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ipam {
    daemon_socket_path: String,
    provide: Vec<Provide>,
    request: Vec<Ask>,
    priority: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Provide {
    #[serde(deserialize_with = "options::optional")]
    option: Option<u8>,
    value: String,
    from_arg: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ask {
    #[serde(deserialize_with = "options::optional")]
    option: Option<u8>,
    skip_default: bool,
}

impl Config {
    /// Read and check the configuration of ADD and CHECK.
    pub(crate) fn load(request: &Request) -> Result<Self> {
        Self::check(request.config()?, request.args())
    }

    /// Read and check the configuration of STATUS.
    pub(crate) fn load_for_status(request: &StatusRequest) -> Result<Self> {
        Self::check(request.config()?, &Args::default())
    }

    fn check(document: Document, args: &Args) -> Result<Self> {
        let ipam = document.ipam.ok_or_else(|| Error::invalid_config("the network configuration has no ipam"))?;
        let mut provide: Vec<(u8, Vec<u8>)> = Vec::new();
        for entry in &ipam.provide {
            let Some(code) = entry.option else { return Err(without_option("provide")) };
            if options::OF_THE_PROTOCOL.contains(&code) {
                let text = format!("ipam.provide: DHCP option {code} belongs to the protocol and cannot be provided");
                return Err(Error::invalid_config(text));
            }
            let Some(value) = value(entry, args)? else { continue };
            // The last entry of an option counts.
            provide.retain(|(other, _)| *other != code);
            provide.push((code, value));
        }
        let mut request = Vec::new();
        for entry in &ipam.request {
            match entry.option {
                Some(code) if request.contains(&code) => {}
                Some(code) => request.push(code),
                None if entry.skip_default => {}
                None => return Err(without_option("request")),
            }
        }
        if !ipam.request.iter().any(|entry| entry.skip_default) {
            for code in [SUBNET_MASK, ROUTERS] {
                if !request.contains(&code) {
                    request.push(code);
                }
            }
        }
        Ok(Self {
            socket: Socket { ipam: SocketIpam { daemon_socket_path: ipam.daemon_socket_path } },
            options: ClientOptions { provide, request, priority: ipam.priority },
        })
    }
}

/// The value of an entry: that of CNI_ARGS where it is there, else the written one; none where neither is.
fn value(entry: &Provide, args: &Args) -> Result<Option<Vec<u8>>> {
    let from_args = Some(entry.from_arg.as_str()).filter(|key| !key.is_empty()).and_then(|key| args.get(key));
    let written = Some(entry.value.as_str()).filter(|value| !value.is_empty());
    let Some(value) = from_args.or(written) else { return Ok(None) };
    if value.len() > LONGEST_VALUE {
        let text = format!(
            "a value of {} bytes is too long for a DHCP option, which holds {LONGEST_VALUE} at most",
            value.len()
        );
        return Err(match from_args {
            Some(_) => Error::invalid_environment(format!("CNI_ARGS: {}: {text}", Quoted(&entry.from_arg))),
            None => Error::invalid_config(format!("ipam.provide: {text}")),
        });
    }
    Ok(Some(value.as_bytes().to_vec()))
}

fn without_option(key: &str) -> Error {
    Error::invalid_config(format!("an entry of ipam.{key} has no option; give its number, 0 to 255, or its name"))
}
