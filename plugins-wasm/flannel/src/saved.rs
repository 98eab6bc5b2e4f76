//! The other plugin's configuration, kept from ADD to DEL.
//!
//! The native plugin keeps it in `<dataDir>/<container ID>`, one for all interfaces of a container. So does this one for the
//! first interface, with the interface's name in a key that other plugins do not know; each further interface has a file of
//! its own. A file without that key is the native plugin's, and whichever interface comes may use it.

use serde_json::{Map, Value};
use weir_sdk::cni_spec::json;
use weir_sdk::state::container::{self as state, File};
use weir_sdk::{Context, Request, Result, warn};

use crate::config::Delegated;

/// The key that names the interface.
const INTERFACE: &str = "weir.dev/interface";

/// Write the configuration. Returns the file that it is in.
pub(crate) fn save(directory: &str, request: &Request, delegated: &Delegated) -> Result<File> {
    let taken = read(directory, File::Container)?.is_some_and(|document| !is_of(&document, request, false));
    let file = if taken { File::Interface } else { File::Container };
    let mut document = delegated.document().clone();
    document.insert(INTERFACE.to_owned(), request.interface_name.clone().into());
    let text = Value::Object(document).to_string();
    state::save(directory, file, text.as_bytes()).context("keep the configuration for DEL")?;
    Ok(file)
}

/// Read the configuration of this attachment, and the file that it is in.
pub(crate) fn load(directory: &str, request: &Request) -> Result<Option<(File, Delegated)>> {
    for file in [File::Interface, File::Container] {
        let Some(mut document) = read(directory, file)? else { continue };
        if !is_of(&document, request, true) {
            continue;
        }
        document.remove(INTERFACE);
        if let Some(delegated) = Delegated::from_document(document) {
            return Ok(Some((file, delegated)));
        }
        warn!("the configuration kept for {} names no plugin", request.container_id);
    }
    Ok(None)
}

/// Remove the file. None there is no failure.
pub(crate) fn remove(directory: &str, file: File) -> Result<()> {
    Ok(state::remove(directory, file).context("remove the configuration kept for DEL")?)
}

/// A file that is no configuration, as power failures leave them, counts as none.
fn read(directory: &str, file: File) -> Result<Option<Map<String, Value>>> {
    let text = state::load(directory, file).context("read the configuration kept for DEL")?;
    let Some(text) = text else { return Ok(None) };
    match json::parse(&text) {
        Ok(Value::Object(document)) => Ok(Some(document)),
        Ok(_) | Err(_) => {
            warn!("a configuration kept in {directory} cannot be read; going on as if there were none");
            Ok(None)
        }
    }
}

/// Whether a kept configuration is of this attachment. Of those that name no interface nobody can tell.
fn is_of(document: &Map<String, Value>, request: &Request, without_name: bool) -> bool {
    let network = json::get(document, "name").and_then(Value::as_str);
    let interface = document.get(INTERFACE).and_then(Value::as_str);
    network == Some(&request.network) && interface.map_or(without_name, |name| name == request.interface_name)
}
