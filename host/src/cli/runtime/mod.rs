//! Commands that do what a container runtime does with networks, on top of `libcni`: attach, look, detach, collect.
//!
//! `add`, `check`, `del`, `gc` and `status` take cnitool's arguments and environment. All print for people on a terminal and
//! one JSON document elsewhere.

mod attach;
mod attachments;
mod container_id;
mod failure;
mod gc;
mod network;
mod output;
mod run;
mod settings;
mod status;
mod table;

use std::process::ExitCode;

use self::output::Format;

/// The commands, each with its arguments.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Attach a network namespace to a network, and print the result.
    Add(attach::AddArguments),
    /// Check that an attachment is as ADD has made it.
    Check(attach::Arguments),
    /// Detach a network namespace, which may be gone, from a network, whose configuration may be gone.
    Del(attach::Arguments),
    /// Delete attachments that are no more. What stays must be said, or --all.
    Gc(gc::Arguments),
    /// Ask the plugins of a network whether they are ready.
    Status(status::Arguments),
    /// Networks: list, validate, show.
    #[command(subcommand)]
    Network(network::Command),
    /// List what is attached, as it is remembered.
    Attachments(attachments::Arguments),
    /// Print the result that is remembered of an attachment.
    Result(attachments::ResultArguments),
    /// Run a command in a network namespace of its own that is attached to networks while it runs. Exit status: the
    /// command's, 128 and its number where a signal ended it; 125 where it was not attached, 126 or 127 not started.
    Run(run::Arguments),
}

/// Exit status: 0 done, 1 failed, 2 wrong arguments; that of the command for `run`.
pub(super) fn serve(command: &Command) -> ExitCode {
    let (settings, outcome) = match command {
        Command::Run(arguments) => return run::run(arguments),
        Command::Add(arguments) => (arguments.settings(), attach::add(arguments)),
        Command::Check(arguments) => (&arguments.settings, attach::check_or_del(arguments, attach::Command::Check)),
        Command::Del(arguments) => (&arguments.settings, attach::check_or_del(arguments, attach::Command::Del)),
        Command::Gc(arguments) => (&arguments.settings, gc::gc(arguments)),
        Command::Status(arguments) => (&arguments.settings, status::status(arguments)),
        Command::Network(command) => (command.settings(), network::run(command)),
        Command::Attachments(arguments) => (&arguments.settings, attachments::attachments(arguments)),
        Command::Result(arguments) => (&arguments.settings, attachments::show_result(arguments)),
    };
    failure::report(Format::of(settings), outcome)
}
