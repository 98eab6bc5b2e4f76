//! `weir status`: whether a network is ready for containers.

use std::ffi::OsString;

use libcni::Cni;
use serde_json::json;

use super::output::{self, Format};
use super::settings::Settings;

/// Arguments of `weir status`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of a network.
    network: String,
    /// Not used; cnitool wants it.
    netns: Option<OsString>,
    #[command(flatten)]
    pub(super) settings: Settings,
}

pub(super) fn status(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = &arguments.settings;
    let list = libcni::load_network_conf(&settings.conf_dir(), &arguments.network)?;
    settings.cni(None)?.get_status_network_list(&list)?;
    // Plugins of older versions cannot be asked.
    let is_asked = list.cni_version.supports_gc_and_status();
    let document = json!({"command": "status", "network": list.name, "ready": true, "asked": is_asked});
    output::print(Format::of(settings), &document, || {
        if is_asked {
            format!("{} is ready\n", list.name)
        } else {
            format!("{}: version {} has no STATUS; nothing was asked\n", list.name, list.cni_version)
        }
    })
}
