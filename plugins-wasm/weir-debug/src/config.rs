//! The configuration.

use serde::Deserialize;
use weir_sdk::cni_spec::json;
use weir_sdk::cni_spec::quoted::Quoted;
use weir_sdk::log::Level;
use weir_sdk::{Error, Result};

/// Kernel parameters that explain most of what goes wrong. `IFNAME` stands for the interface.
const SYSCTLS: [&str; 8] = [
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/IFNAME/rp_filter",
    "net/ipv4/conf/IFNAME/arp_notify",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/IFNAME/disable_ipv6",
    "net/ipv6/conf/IFNAME/accept_ra",
    "net/ipv6/conf/IFNAME/accept_dad",
];
/// Keys of the reference's debug plugin that run commands or write files.
const REFUSED: [(&str, &str); 4] = [
    ("cniOutput", "the result is in the log, and with dataDir in a file"),
    ("addHooks", "plugins run no commands"),
    ("checkHooks", "plugins run no commands"),
    ("delHooks", "plugins run no commands"),
];

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) level: Level,
    /// Paths below /proc/sys.
    pub(crate) sysctls: Vec<String>,
    directory: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    level: String,
    data_dir: String,
    sysctls: Option<Vec<String>>,
}

impl Config {
    /// The configuration of ADD, CHECK and STATUS.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let value = json::parse(text.as_bytes())?;
        for (key, instead) in REFUSED {
            if value.as_object().and_then(|document| json::get(document, key)).is_some() {
                return Err(Error::unsupported_field(format!("{key} is not supported: {instead}")));
            }
        }
        let document: Document = json::from_value(&value)?;
        let level = match document.level.as_str() {
            "error" => Level::Error,
            "" | "warn" => Level::Warn,
            "info" => Level::Info,
            "debug" => Level::Debug,
            other => {
                let text = format!("level {} is none of error, warn, info, debug", Quoted(other));
                return Err(Error::invalid_config(text));
            }
        };
        let sysctls = match document.sysctls {
            Some(keys) => keys.iter().map(|key| path(key)).collect(),
            None => SYSCTLS.map(str::to_owned).to_vec(),
        };
        Ok(Self { level, sysctls, directory: document.data_dir })
    }

    /// The configuration of DEL and GC: what is wrong counts as absent.
    pub(crate) fn parse_leniently(text: &str) -> Result<Self> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Directory {
            data_dir: String,
        }
        Self::parse(text).or_else(|_| {
            let Directory { data_dir } = json::from_slice(text.as_bytes())?;
            Ok(Self { level: Level::Warn, sysctls: SYSCTLS.map(str::to_owned).to_vec(), directory: data_dir })
        })
    }

    /// Where reports are kept; none: in the log alone.
    pub(crate) fn directory(&self) -> Option<&str> {
        Some(self.directory.as_str()).filter(|directory| !directory.is_empty())
    }
}

/// With slashes between its parts, as sysctl(8) decides it: by the separator that comes first.
fn path(key: &str) -> String {
    match key.find(['.', '/']).and_then(|position| key.get(position..)) {
        Some(rest) if rest.starts_with('.') => key
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => key.to_owned(),
    }
}
