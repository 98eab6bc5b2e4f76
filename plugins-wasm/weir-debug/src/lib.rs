//! The plugin `weir-debug`: tells what a plugin at its place in a chain is given, and what the container's network looks like.
//!
//! It changes nothing and passes the previous result through. What cannot be looked at is told as well, and hinders nothing.

mod config;
mod container;
mod words;

use serde_json::{Value, json};
use weir_sdk::cni_spec::json as decode;
use weir_sdk::{
    AddResult, Context, Error, GcRequest, Netns, Plugin, Request, Result, StatusRequest, error, log, state,
};

use config::Config;

weir_sdk::manifest! {
    name: "weir-debug",
    description: "Tells what plugins are given and what the container's network looks like.",
    needs: {
        container_namespace: "look at the container's network",
        links: "list interfaces",
        addresses: "list addresses",
        routes: "list routes",
        rules: "list policy routing rules",
        neighbors: "list neighbours",
        sysctls: "read kernel parameters",
        attachment_state: "keep the report in a file, where the configuration asks for it",
        log: "write the report",
    },
    asks: {
        directories: ["${dataDir}"] => "the report",
    },
}

weir_sdk::export_plugin!(WeirDebug);

/// The plugin.
#[derive(Debug)]
pub struct WeirDebug;

impl Plugin for WeirDebug {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::parse(&request.raw_config)?;
        let lines = request_lines("ADD", request, &config);
        tell(&config, &lines);
        if let Some(directory) = config.directory()
            && let Err(error) = keep(directory, request, lines)
        {
            error!("{}", error.msg);
        }
        Ok(request.prev_result().cloned().unwrap_or_default())
    }

    fn del(request: &Request) -> Result<()> {
        // Keys that are refused must not hinder DEL.
        let config = Config::parse_leniently(&request.raw_config)?;
        tell(&config, &request_lines("DEL", request, &config));
        let Some(directory) = config.directory() else { return Ok(()) };
        Ok(state::remove(Some(directory)).context("remove the report")?)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::parse(&request.raw_config)?;
        tell(&config, &request_lines("CHECK", request, &config));
        Ok(())
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let config = Config::parse_leniently(&request.raw_config)?;
        let valid: Vec<_> = request
            .valid_attachments
            .iter()
            .map(|valid| format!("{} {}", valid.container_id, valid.interface_name))
            .collect();
        let mut lines = vec![format!("GC of network {}; in use: {}", request.network, valid.join(", "))];
        lines.extend(configuration_lines(&request.raw_config));
        tell(&config, &lines);
        let Some(directory) = config.directory() else { return Ok(()) };
        Ok(state::retain(Some(directory), request).map(drop).context("remove reports of containers that are gone")?)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::parse(&request.raw_config)?;
        let mut lines = vec![format!("STATUS of network {}", request.network)];
        lines.extend(configuration_lines(&request.raw_config));
        tell(&config, &lines);
        Ok(())
    }
}

fn tell(config: &Config, lines: &[String]) {
    lines.iter().for_each(|line| log::write(config.level, line));
}

/// What the command gives, and what is in the container.
fn request_lines(command: &str, request: &Request, config: &Config) -> Vec<String> {
    let netns = request.netns_path.as_deref().unwrap_or("none");
    let mut lines = vec![format!(
        "{command} of container {}, interface {}, network {}, namespace {netns}",
        request.container_id, request.interface_name, request.network
    )];
    let args: Vec<_> = request.args().pairs().iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !args.is_empty() {
        lines.push(format!("CNI_ARGS {}", args.join(";")));
    }
    lines.extend(configuration_lines(&request.raw_config));
    match Netns::container() {
        Some(container) => container::describe(&container, &request.interface_name, config, &mut lines),
        None => lines.push("the container has no namespace, or it is gone".to_owned()),
    }
    lines
}

/// Configuration and previous result, each on a line.
fn configuration_lines(config: &str) -> Vec<String> {
    let Ok(Value::Object(mut document)) = decode::parse(config.as_bytes()) else { return Vec::new() };
    let previous = decode::get(&document, "prevResult").cloned();
    decode::remove(&mut document, "prevResult");
    let mut lines = vec![format!("configuration {}", Value::Object(document))];
    lines.push(previous.map_or_else(|| "no prevResult".to_owned(), |previous| format!("prevResult {previous}")));
    lines
}

/// Write the report to a file. It names the network, so that GC finds it.
fn keep(directory: &str, request: &Request, lines: Vec<String>) -> Result<()> {
    let document = json!({"name": request.network, "report": lines});
    let text =
        serde_json::to_vec_pretty(&document).map_err(|error| Error::internal(format!("write the report: {error}")))?;
    Ok(state::save(Some(directory), &text).context("write the report")?)
}

#[cfg(test)]
mod tests;
