//! What the two processes say to each other. The child asks, one thing at a time, and ends with what came of it; the
//! answers are bare values.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weir_native::isolation::Broken;

use super::functions::HostCall;
use crate::broker::Quantity;
use crate::sandbox::bindings::plugin::CniError as WitError;
use crate::sandbox::fault::Report;

/// A message of the child. The arguments of a host call follow it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Call a function of the contract.
    Call(HostCall),
    /// May the instance use so much more? Answered by a bool.
    Grow(Growth, u64),
    /// It is over.
    End(Ending),
}

/// What an instance grows in.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Growth {
    Memory,
    TableElements,
}

impl From<Growth> for Quantity {
    fn from(growth: Growth) -> Self {
        match growth {
            Growth::Memory => Self::Memory,
            Growth::TableElements => Self::TableElements,
        }
    }
}

/// What came of the command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Units of computing that were used.
    pub(super) fuel: u64,
    /// What a component with WASI printed.
    pub(super) printed: Vec<u8>,
}

/// How the code ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// With the plugin's answer.
    Answered(Result<String, WitError>),
    /// The engine stopped it.
    Stopped(Report),
    /// It was not begun.
    NotBegun(String),
}

/// What the child said that an honest one does not say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lie {
    /// No message of this protocol.
    #[error("it sent what is no message")]
    NoMessage,
    /// Longer than any message may be.
    #[error("it announced a message of {0} bytes")]
    TooLong(usize),
    /// Before it had its answer, or after the end.
    #[error("it spoke out of turn")]
    OutOfTurn,
    /// A handle that it does not have.
    #[error("it used a handle that it does not have")]
    NoHandle,
}

/// As bytes.
pub(super) fn encode<T: Serialize>(value: &T) -> wasmtime::Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|error| wasmtime::Error::msg(format!("cannot encode a message: {error}")))
}

/// A request, followed by its arguments.
pub(super) fn encode_with<T: Serialize>(request: &Request, arguments: &T) -> wasmtime::Result<Vec<u8>> {
    let cannot = |error| wasmtime::Error::msg(format!("cannot encode a message: {error}"));
    let head = postcard::to_allocvec(request).map_err(cannot)?;
    postcard::to_extend(arguments, head).map_err(cannot)
}

/// The value that these bytes are, all of them.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Lie> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(Lie::NoMessage),
    }
}

/// The request, and what follows it.
pub(super) fn decode_request(bytes: &[u8]) -> Result<(Request, &[u8]), Lie> {
    let (request, rest) = postcard::take_from_bytes(bytes).map_err(|_| Lie::NoMessage)?;
    match (&request, rest) {
        (Request::Call(_), _) | (_, []) => Ok((request, rest)),
        _ => Err(Lie::NoMessage),
    }
}

/// In words, for an error that only a broken channel explains.
pub(super) fn words(broken: &Broken) -> String {
    match broken {
        Broken::Closed => "the channel to it is closed".to_owned(),
        Broken::TooLong(length) => Lie::TooLong(*length).to_string(),
        Broken::TimedOut => "it took too long".to_owned(),
        Broken::Io(error) => format!("the channel to it failed: {error}"),
    }
}
