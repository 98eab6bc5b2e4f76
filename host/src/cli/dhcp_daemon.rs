//! `weir dhcp-daemon`.

use std::path::PathBuf;
use std::time::Duration;

use weir_dhcp::Settings;

use super::duration::duration;

/// Arguments of `weir dhcp-daemon`; the long names and defaults are those of the reference plugin's daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Write the process ID to this file.
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Where the host's file system is, for a daemon in a container: put before the paths of socket and namespaces.
    #[arg(long, value_name = "DIR")]
    hostprefix: Option<PathBuf>,
    /// Listen here, unless systemd hands a socket over.
    #[arg(long, value_name = "FILE", default_value = weir_native::dhcp::DEFAULT_SOCKET)]
    socketpath: PathBuf,
    /// Have servers broadcast their answers.
    #[arg(long)]
    broadcast: bool,
    /// How long one try to renew, and the wait for an ACK after an offer, may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// Longest pause between two tries.
    #[arg(long, value_name = "TIME", default_value = "62s", value_parser = duration)]
    resendmax: Duration,
    /// How long to look for a server in all; runtimes and plugins wait less long.
    #[arg(long, value_name = "TIME", default_value = "208s", value_parser = duration)]
    resendtimeout: Duration,
    /// Keep leases here, for a daemon that is started again.
    #[arg(long, value_name = "DIR", default_value = weir_dhcp::DEFAULT_STATE_DIRECTORY)]
    statedir: PathBuf,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    weir_dhcp::run(Settings {
        socket: arguments.socketpath,
        pid_file: arguments.pidfile,
        host_prefix: arguments.hostprefix.unwrap_or_default(),
        state_directory: arguments.statedir,
        broadcast: arguments.broadcast,
        timeout: arguments.timeout,
        resend_max: arguments.resendmax,
        resend_timeout: arguments.resendtimeout,
    })?;
    Ok(())
}
