//! The host as the child sees it: each call goes over the channel, and the broker in the other process answers.

use std::sync::Arc;

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use weir_native::isolation::Channel;

use super::functions::HostCall;
use super::kinds::Kind;
use super::message::{Growth, Request, decode, encode, encode_with, words};
use crate::broker::Limits;
use crate::sandbox::wasi::Wasi;

/// Forwards what a guest asks of the host.
pub(in crate::sandbox) struct Remote {
    channel: Arc<Channel>,
    instances: usize,
    memories: usize,
    tables: usize,
    /// Present only where the component imports WASI, which has no authority and is served here.
    pub(in crate::sandbox) wasi: Option<Wasi>,
    /// Handles of WASI.
    pub(in crate::sandbox) table: ResourceTable,
}

impl Remote {
    pub(super) fn new(channel: Arc<Channel>, limits: &Limits, wasi: Option<Wasi>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let Limits { instances, memories, tables, .. } = *limits;
        Self { channel, instances, memories, tables, wasi, table }
    }

    pub(super) fn call<A: serde::Serialize, R: Kind>(
        &mut self,
        call: HostCall,
        arguments: &A,
    ) -> wasmtime::Result<R::Value> {
        let answer: R::Wire = self.ask(&encode_with(&Request::Call(call), arguments)?)?;
        Ok(R::receive(answer))
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, message: &[u8]) -> wasmtime::Result<T> {
        // Who asked for more than it gets has no answer to wait for: it is ended.
        let answer = self.channel.send(message, None).and_then(|()| self.channel.receive(usize::MAX, None));
        let answer = answer.map_err(|broken| wasmtime::Error::msg(words(&broken)))?;
        decode(&answer).map_err(wasmtime::Error::new)
    }

    fn grow(&self, growth: Growth, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        self.ask(&encode(&Request::Grow(growth, more))?)
    }
}

impl ResourceLimiter for Remote {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(Growth::Memory, current, desired)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(Growth::TableElements, current, desired)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }
}
