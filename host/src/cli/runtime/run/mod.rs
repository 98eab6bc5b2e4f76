//! `weir run`: a simple container for trying networks. A network namespace with `lo`, attached to networks for as long as
//! a command runs in it.

mod control;
mod publish;
pub(super) mod record;
mod resolv_conf;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use libcni::{Cancellation, Cni, CniConfig, NetworkConfigList, NetworkResult, RuntimeConf};
use weir_native::foreground::{self, Ended, Program};
use weir_native::link::{self, LinkChanges};
use weir_native::netns::Netns;

use self::control::Control;
use self::publish::Publish;
use self::record::{Attachment, Record, Records, Run};
use super::settings::{Handed, Settings};
use super::{attach, failure, output};
use crate::console;

/// Exit status where `weir run` itself fails, as other programs have it that run commands in containers.
const FAILED: u8 = 125;
/// Exit status where the command is no program that may be run.
const NOT_EXECUTABLE: u8 = 126;
/// Exit status where there is no such command.
const NO_COMMAND: u8 = 127;

/// Arguments of `weir run`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// A network to attach to; may be repeated.
    #[arg(long = "network", value_name = "NAME", required = true)]
    networks: Vec<String>,
    /// Name of the interface; repeated, of that of the next network [default: eth0, eth1 and so on].
    #[arg(short, long, value_name = "NAME")]
    ifname: Vec<String>,
    /// Let a port of the host lead to the command: [ADDRESS:]HOST-PORT:PORT[/PROTOCOL]; may be repeated.
    #[arg(short, long, value_name = "PORTS")]
    publish: Vec<Publish>,
    /// Container ID [default: weir-run- and a random number].
    #[arg(long, value_name = "ID")]
    container_id: Option<String>,
    #[command(flatten)]
    handed: Handed,
    #[command(flatten)]
    settings: Settings,
    /// The command, after --.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A network that is about to be attached.
struct Wanted {
    list: NetworkConfigList,
    conf: RuntimeConf,
}

/// Exit status: the command's; 128 and its number where a signal ended it; else 125 to 127.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    attempt(arguments).unwrap_or_else(|error| {
        let status = failure::tell(&error);
        ExitCode::from(if status == failure::FAILED { FAILED } else { status })
    })
}

fn attempt(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = &arguments.settings;
    let mut wanted = wanted(arguments)?;
    let cancellation = Cancellation::new().context("prepare to be interrupted")?;
    let control = Control::begin(cancellation.clone())?;
    // What is detached must be detached to the end.
    let (adding, deleting) = (settings.cni(Some(cancellation))?, settings.cni(None)?);
    recover(&deleting, Records::read(settings.cache_dir())?);
    let namespace = namespace()?;
    for network in &mut wanted {
        network.conf.net_ns = namespace.path().display().to_string();
    }
    let record = Record::create(settings.cache_dir(), &on_record(&wanted)?)?;
    let mut results = Vec::new();
    let (mut outcome, mut tried) = (Ok(()), 0_usize);
    for network in &wanted {
        match attach(&adding, network) {
            Ok(result) => {
                tried = tried.saturating_add(1);
                results.push(result);
            }
            Err(error) => {
                // What it has made is taken away once more below, unless it is somebody else's.
                let is_foreign = matches!(error.downcast_ref(), Some(libcni::Error::AlreadyAttached { .. }));
                tried = tried.saturating_add(usize::from(!is_foreign));
                outcome = Err(error);
                break;
            }
        }
    }
    let status = match outcome {
        Ok(()) if control.received().is_none() => execute(arguments, &namespace, &record, &results, &control),
        Ok(()) => Ok(ended_by(control.received().unwrap_or_default())),
        Err(error) => Err(error),
    };
    control.detaching();
    let attached = wanted.iter().take(tried).rev();
    let detached = detach(&deleting, attached.map(|network| (&network.list, &network.conf)));
    let forgotten = if detached { record.remove() } else { Ok(()) };
    match status {
        // Why it failed is less interesting than that somebody wanted it to end.
        Err(error) => match control.received() {
            Some(signal) => {
                failure::tell(&error);
                Ok(ended_by(signal))
            }
            None => Err(error),
        },
        Ok(status) if status == ExitCode::SUCCESS && !detached => Ok(ExitCode::from(FAILED)),
        Ok(status) => forgotten.map(|()| status),
    }
}

/// Networks and attachments, with what plugins are told.
fn wanted(arguments: &Arguments) -> anyhow::Result<Vec<Wanted>> {
    if arguments.ifname.len() > arguments.networks.len() {
        return Err(failure::arguments("there are more --ifname than --network"));
    }
    let container_id = match &arguments.container_id {
        Some(given) => {
            cni_spec::names::container_id(given)
                .map_err(|error| failure::arguments(format!("--container-id: {error}")))?;
            given.clone()
        }
        None => format!("weir-run-{:016x}", weir_native::process::random_number()),
    };
    let (args, handed) = (arguments.handed.args()?, arguments.handed.capability_args()?);
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut to_publish = !arguments.publish.is_empty();
    for (index, name) in arguments.networks.iter().enumerate() {
        let list = libcni::load_network_conf(&arguments.settings.conf_dir(), name)?;
        let if_name = arguments.ifname.get(index).cloned().unwrap_or_else(|| format!("eth{index}"));
        cni_spec::names::interface_name(&if_name).map_err(|error| failure::arguments(format!("--ifname: {error}")))?;
        if wanted.iter().any(|other| other.conf.if_name == if_name) {
            return Err(failure::arguments(format!("two networks cannot both have the interface {if_name}")));
        }
        let mut capability_args = handed.clone();
        // A port can lead to one address only.
        if to_publish && publishes(&list) {
            let mappings = publish::port_mappings(&arguments.publish);
            capability_args.insert(publish::CAPABILITY.to_owned(), mappings);
            to_publish = false;
        }
        let conf = RuntimeConf {
            container_id: container_id.clone(),
            if_name,
            args: args.clone(),
            capability_args,
            ..RuntimeConf::default()
        };
        wanted.push(Wanted { list, conf });
    }
    if to_publish {
        bail!(
            "no plugin of {} publishes ports: add one of type portmap with \"capabilities\": {{\"portMappings\": true}}",
            arguments.networks.join(", ")
        );
    }
    Ok(wanted)
}

fn publishes(list: &NetworkConfigList) -> bool {
    list.plugins.iter().any(|plugin| plugin.capabilities().get(publish::CAPABILITY) == Some(&true))
}

fn namespace() -> anyhow::Result<Netns> {
    let made = Netns::create().context("this needs root, of the machine or of a user namespace (unshare -rnm)")?;
    let loopback = link::find(&made, "lo")?.context("the new namespace has no lo")?;
    link::update(&made, loopback.index, &LinkChanges { up: Some(true), ..LinkChanges::default() })?;
    Ok(made)
}

fn on_record(wanted: &[Wanted]) -> anyhow::Result<Run> {
    let container_id = wanted.first().map(|network| network.conf.container_id.clone()).unwrap_or_default();
    let mut attachments = Vec::new();
    for Wanted { list, conf } in wanted {
        attachments.push(Attachment {
            network: list.name.clone(),
            if_name: conf.if_name.clone(),
            config: String::from_utf8(list.bytes.clone())
                .with_context(|| format!("the configuration of network {} is not UTF-8", list.name))?,
            args: conf.args.clone(),
            capability_args: conf.capability_args.clone(),
        });
    }
    Ok(Run { container_id, attachments })
}

fn attach(cni: &CniConfig, network: &Wanted) -> anyhow::Result<NetworkResult> {
    let result = cni.add_network_list(&network.list, &network.conf)?;
    if io::stderr().is_terminal() {
        let addresses = output::addresses(&result.result);
        console::err(format_args!("weir: {} on {}: {addresses}", network.conf.if_name, network.list.name));
    }
    Ok(result)
}

/// DEL of each, whatever becomes of the others. Whether all have succeeded.
fn detach<'a>(cni: &CniConfig, attachments: impl Iterator<Item = (&'a NetworkConfigList, &'a RuntimeConf)>) -> bool {
    let mut all = true;
    for (list, conf) in attachments {
        match cni.del_network_list(list, conf) {
            Ok(deleted) => output::warn(&deleted.damaged),
            Err(error) => {
                all = false;
                console::err(format_args!(
                    "weir: detach {} from {}: {error}; the next weir run or weir gc tries again",
                    conf.if_name, list.name
                ));
            }
        }
    }
    all
}

fn execute(
    arguments: &Arguments,
    namespace: &Netns,
    record: &Record,
    results: &[NetworkResult],
    control: &Control,
) -> anyhow::Result<ExitCode> {
    let Some((program, parameters)) = arguments.command.split_first() else { bail!("there is no command") };
    let resolv_conf = resolv_conf(record, results)?;
    let program = Program { program, arguments: parameters, resolv_conf: resolv_conf.as_deref() };
    let ended = foreground::run(namespace, program, |started| {
        // It is mounted, and needs no name any more.
        remove(resolv_conf.as_deref());
        control.running(started);
    });
    remove(resolv_conf.as_deref());
    Ok(match ended? {
        Ended::Exit(status) => ExitCode::from(u8::try_from(status).unwrap_or(FAILED)),
        Ended::Signal(number) => ended_by(number),
        Ended::NotStarted(error) => not_started(program.program, &error),
    })
}

/// 128 and the number, as shells have it.
fn ended_by(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(signal.saturating_add(128)).unwrap_or(FAILED))
}

fn not_started(program: &OsStr, error: &io::Error) -> ExitCode {
    console::err(format_args!("weir: run {}: {error}", program.display()));
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    ExitCode::from(if is_missing { NO_COMMAND } else { NOT_EXECUTABLE })
}

/// The command's own resolv.conf, where the networks say something about DNS.
fn resolv_conf(record: &Record, results: &[NetworkResult]) -> anyhow::Result<Option<PathBuf>> {
    let Some(text) = resolv_conf::text(results.iter().map(|result| &result.result.dns)) else { return Ok(None) };
    let path = record.resolv_conf();
    let doing = || format!("write {}", path.display());
    // Everybody in the container may read it.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)?;
    Ok(Some(path))
}

fn remove(path: Option<&Path>) {
    if let Some(path) = path {
        // Gone already, most of the time.
        let _ = fs::remove_file(path);
    }
}

/// Detach what runs that were killed have left. What fails stays on record.
pub(super) fn recover(cni: &CniConfig, records: Records) {
    for (path, why) in records.damaged {
        console::err(format_args!("weir: {}: {why}; remove it if nothing of it is attached", path.display()));
    }
    for (record, run) in records.abandoned {
        console::err(format_args!("weir: {} was killed; detaching what it has left", run.container_id));
        if let Err(error) = recover_run(cni, record, &run) {
            console::err(format_args!("weir: {}: {error:#}", run.container_id));
        }
    }
}

fn recover_run(cni: &CniConfig, record: Record, run: &Run) -> anyhow::Result<()> {
    let mut networks = Vec::new();
    for attachment in run.attachments.iter().rev() {
        let list = attach::network(attachment.config.as_bytes())
            .with_context(|| format!("network {} in {}", attachment.network, record.path().display()))?;
        // Its namespace has gone with it; by now the path may lead to somebody else's.
        let conf = RuntimeConf {
            container_id: run.container_id.clone(),
            net_ns: String::new(),
            if_name: attachment.if_name.clone(),
            args: attachment.args.clone(),
            capability_args: attachment.capability_args.clone(),
        };
        networks.push((list, conf));
    }
    if detach(cni, networks.iter().map(|(list, conf)| (list, conf))) { record.remove() } else { Ok(()) }
}
