//! `delegate`.

use cni_spec::error::Error as CniError;

use crate::broker::Call;
use crate::contract::{Command as CniCommand, code};
use crate::delegate as delegation;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::delegate::{self, Command, DelegateError};

impl delegate::Host for Guest {
    fn call(
        &mut self,
        command: Command,
        plugin_type: String,
        config: String,
    ) -> wasmtime::Result<Result<String, DelegateError>> {
        let command = match command {
            Command::Add => CniCommand::Add,
            Command::Del => CniCommand::Del,
            Command::Check => CniCommand::Check,
            Command::Gc => CniCommand::Gc,
            Command::Status => CniCommand::Status,
        };
        let session = self.session.clone();
        let natives = self.broker.grants().native_delegates.clone();
        let budget = self.broker.budget().clone();
        let answer =
            Guest::call(self, Call::DelegateCall { command, plugin_type: &plugin_type, config: &config }, || {
                Ok(delegation::call(&session, command, &plugin_type, &config, &natives, &budget))
            })?;
        Ok(match answer {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(error_out(error)),
            Err(denied) => Err(error_out(CniError::new(code::NOT_GRANTED, denied.message))),
        })
    }
}

fn error_out(error: CniError) -> DelegateError {
    DelegateError { code: error.code, msg: error.msg, details: error.details }
}
