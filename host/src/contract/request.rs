//! Where a command comes from: the process that a runtime executed, or a call within the runtime's own process.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Read;
use std::sync::Arc;

use cni_spec::error::{Error, INVALID_ENVIRONMENT, IO_FAILURE};

use crate::broker::Patience;
use crate::broker::fault::Probe;
use crate::registry::Registry;
use crate::sandbox::Runtime;

/// A network configuration is far smaller; what is larger is refused unread.
const MAX_INPUT: u64 = 16 << 20;

/// The variables of a command.
#[derive(Debug, Clone)]
pub enum Environment {
    /// Those of this process.
    OfProcess,
    /// These, and no others.
    Given(Vec<(OsString, OsString)>),
}

impl Environment {
    /// The value of a variable; empty where it is not set.
    ///
    /// # Errors
    /// Code 4 where it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        let value = match self {
            Self::OfProcess => std::env::var_os(name),
            // The last one counts, as where a program is executed with them.
            Self::Given(all) => all.iter().rev().find(|(one, _)| one == name).map(|(_, value)| value.clone()),
        };
        value
            .map_or(Ok(String::new()), OsString::into_string)
            .map_err(|text| Error::new(INVALID_ENVIRONMENT, format!("{name} is not UTF-8: {text:?}")))
    }

    /// All variables, for a native plugin.
    pub fn all(&self) -> Vec<(OsString, OsString)> {
        match self {
            Self::OfProcess => std::env::vars_os().collect(),
            Self::Given(all) => all.clone(),
        }
    }
}

/// The configuration of a command.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// What comes on this process's standard input.
    Standard,
    /// This.
    Given(&'a [u8]),
}

impl<'a> Input<'a> {
    /// All of it.
    ///
    /// # Errors
    /// Where it cannot be read, or is too large.
    pub(super) fn read(self) -> Result<Cow<'a, [u8]>, Error> {
        let input = match self {
            Self::Given(input) => Cow::Borrowed(input),
            Self::Standard => {
                let mut input = Vec::with_capacity(4096);
                std::io::stdin().lock().take(MAX_INPUT).read_to_end(&mut input).map_err(|e| {
                    Error::new(IO_FAILURE, format!("cannot read the network configuration from standard input: {e}"))
                })?;
                Cow::Owned(input)
            }
        };
        if input.len() as u64 >= MAX_INPUT {
            return Err(Error::new(IO_FAILURE, format!("the network configuration is larger than {MAX_INPUT} bytes")));
        }
        Ok(input)
    }
}

/// What is given for a command besides its configuration.
#[derive(Clone)]
pub struct Setting {
    /// Where the plugin is installed.
    pub registry: Registry,
    /// The variables.
    pub environment: Environment,
    /// Counts host calls and puts in faults.
    pub probe: Option<Arc<Probe>>,
    /// What commands of one process share; none where the process ends with its one command.
    pub runtime: Option<Arc<Runtime>>,
    /// How long whoever asks waits, where that is not for the process to end.
    pub patience: Option<Arc<Patience>>,
}

impl Setting {
    /// That of a process which was executed for one command.
    pub fn of_process(registry: Registry, probe: Option<Arc<Probe>>) -> Self {
        Self { registry, environment: Environment::OfProcess, probe, runtime: None, patience: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn given_variables_stand_alone_and_the_last_of_a_name_counts() {
        let pairs = [("CNI_COMMAND", "ADD"), ("CNI_COMMAND", "DEL")].map(|(name, value)| (name.into(), value.into()));
        let mut given = pairs.to_vec();
        given.push(("CNI_ARGS".into(), OsString::from_vec(vec![0xff])));
        let environment = Environment::Given(given);
        assert_eq!(environment.text("CNI_COMMAND").unwrap(), "DEL");
        // Set in this process, but not given.
        assert!(std::env::var_os("PATH").is_some());
        assert_eq!(environment.text("PATH").unwrap(), "");
        assert_eq!(environment.text("CNI_ARGS").unwrap_err().code, INVALID_ENVIRONMENT);
    }

    #[test]
    fn an_enormous_configuration_is_refused() {
        let enormous = vec![b' '; usize::try_from(MAX_INPUT).unwrap()];
        assert_eq!(Input::Given(&enormous).read().unwrap_err().code, IO_FAILURE);
        assert_eq!(Input::Given(b"{}").read().unwrap().as_ref(), b"{}");
    }
}
