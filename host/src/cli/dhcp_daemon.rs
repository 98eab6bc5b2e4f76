//! `weir dhcp-daemon`.

use std::path::PathBuf;
use std::time::Duration;

use weir_dhcp::Settings;

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

/// Read a time as Go writes it: `10s`, `1m30s`, `1.5h`, `200ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("{text:?} is no time such as 10s, 1m30s or 200ms");
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fault)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return Err(fault()),
        };
        let number: f64 = number.parse().map_err(|_| fault())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| fault())?;
        sum = sum.checked_add(part).ok_or_else(fault)?;
        rest = after;
    }
    if sum.is_zero() {
        return Err(format!("{text:?} is no time that anything could be done in"));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, milliseconds) in
            [("10s", 10_000), ("1m30s", 90_000), ("3m28s", 208_000), ("1.5h", 5_400_000), ("200ms", 200)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "10", "s", "10x", "-1s", "1..2s", "0s", "1s2", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
