//! The plugins bridge, host-local and loopback as a native program: the same crates as in the components, on the same shim
//! and behind the same exec contract, but with no sandbox, grants, budgets, ledger or confinement. Called by the name of a
//! plugin. `make bench` shows with it what the sandbox costs; it is no part of what is shipped.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use cni_spec::error::{DECODE_FAILURE, Error, INVALID_CONFIG, INVALID_ENVIRONMENT, IO_FAILURE};
use cni_spec::result::AddResult;
use cni_spec::version::{LATEST, Version};
use weir::contract::output::{self, Document};
use weir::contract::{Command, Invocation, Variables};
use weir_native::attachment::Attachment;
use weir_sdk::bindings::exports::weir::cni::plugin::{CniError, Request};
use weir_sdk::bindings::weir::cni::types::Attachment as AttachmentRecord;
use weir_sdk::delegate::{Command as Delegated, DelegateError};
use weir_sdk::{export, native};

/// As weir-cni has it.
#[global_allocator]
static ALLOCATOR: weir_native::allocator::Heap = weir_native::allocator::Heap::new();

/// The versions that the plugins' manifests name.
const VERSIONS: [Version; 7] = [
    Version::V0_1_0,
    Version::V0_2_0,
    Version::V0_3_0,
    Version::V0_3_1,
    Version::V0_4_0,
    Version::V1_0_0,
    Version::V1_1_0,
];

fn main() -> ExitCode {
    let called_as = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called_as).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut version = None;
    match answer(&name, &mut version) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error, version);
            ExitCode::FAILURE
        }
    }
}

fn answer(name: &str, version: &mut Option<Version>) -> Result<(), Error> {
    let variables = Variables::read(variable)?;
    let mut input = Vec::with_capacity(4096);
    let unread = |e: std::io::Error| Error::new(IO_FAILURE, format!("cannot read standard input: {e}"));
    std::io::stdin().lock().read_to_end(&mut input).map_err(unread)?;
    if variables.command == Command::Version {
        let unprinted = |e: std::io::Error| Error::new(IO_FAILURE, format!("cannot print the versions: {e}"));
        let versions = Document::Versions(output::version_answer(&LATEST.to_string(), &VERSIONS));
        return output::print(&versions).map_err(unprinted);
    }
    let invocation = Invocation::check(variables, &input, &VERSIONS)?;
    *version = Some(invocation.version);
    let attachment = &invocation.attachment;
    native::begin(native::Session {
        network: invocation.network.clone(),
        attachment: Attachment::new(&attachment.container_id, &attachment.interface_name),
        container: invocation.netns.clone(),
        delegate,
    });
    let prev_result = invocation.prev_result.as_ref().and_then(|result| result.to_json(LATEST).ok());
    let request = Request {
        network: invocation.network.clone(),
        attachment: record(&attachment.container_id, &attachment.interface_name),
        netns_path: invocation.netns_path.clone(),
        args: invocation.args.pairs().to_vec(),
        config: invocation.config.clone(),
        prev_result: prev_result.map(|value| value.to_string()),
    };
    let text = run(name, invocation.command, request).map_err(error)?;
    if invocation.command == Command::Add {
        let wrong = |e: String| Error::new(DECODE_FAILURE, e);
        let value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let result = AddResult::from_json(&value, LATEST).map_err(|e| wrong(e.to_string()))?;
        let unprinted = |e: std::io::Error| Error::new(IO_FAILURE, format!("cannot print the result: {e}"));
        output::print(&Document::Result(result.to_json(invocation.version)?)).map_err(unprinted)?;
    }
    if invocation.command == Command::Del {
        let namespaces: Vec<_> = native::host().into_iter().chain(&invocation.netns).map(AsRef::as_ref).collect();
        let _ = weir_native::background::close_netfilter(&namespaces);
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, Error> {
    std::env::var_os(name)
        .map_or(Ok(String::new()), OsString::into_string)
        .map_err(|text| Error::new(INVALID_ENVIRONMENT, format!("{name} is not UTF-8: {text:?}")))
}

fn run(plugin: &str, command: Command, request: Request) -> Result<String, CniError> {
    match plugin {
        "bridge" => call::<bridge::Bridge>(command, request),
        "host-local" => call::<host_local::HostLocal>(command, request),
        "loopback" => call::<loopback::Loopback>(command, request),
        other => Err(unknown(format!("no plugin {other:?} in this program"))),
    }
}

fn call<P: weir_sdk::Plugin>(command: Command, request: Request) -> Result<String, CniError> {
    match command {
        Command::Add => export::add::<P>(request),
        Command::Del => export::del::<P>(request).map(|()| String::new()),
        Command::Check => export::check::<P>(request).map(|()| String::new()),
        Command::Gc | Command::Status | Command::Version => Err(unknown(format!("no {command} in this program"))),
    }
}

/// Another plugin of this program, for the same attachment.
fn delegate(command: Delegated, plugin: &str, config: &str) -> Result<String, DelegateError> {
    let command = match command {
        Delegated::Add => Command::Add,
        Delegated::Del => Command::Del,
        Delegated::Check => Command::Check,
        Delegated::Gc => Command::Gc,
        Delegated::Status => Command::Status,
    };
    let request = native::attachment().map(|(network, own)| Request {
        network,
        attachment: record(&own.container_id, &own.interface_name),
        netns_path: None,
        args: Vec::new(),
        config: config.to_owned(),
        prev_result: None,
    });
    let request = request.ok_or_else(|| unknown("no command was begun".to_owned()));
    request.and_then(|request| run(plugin, command, request)).map_err(|e| DelegateError {
        code: e.code,
        msg: e.msg,
        details: e.details,
    })
}

fn record(container_id: &str, interface_name: &str) -> AttachmentRecord {
    AttachmentRecord { container_id: container_id.to_owned(), interface_name: interface_name.to_owned() }
}

fn unknown(msg: String) -> CniError {
    CniError { code: INVALID_CONFIG, msg, details: String::new() }
}

fn error(error: CniError) -> Error {
    Error::new(error.code, error.msg).with_details(error.details)
}
