//! `types`, `namespaces`, `container-namespace`, `host-namespace`, `log`, `clock`.

use std::time::Duration;

use wasmtime::component::Resource;

use crate::broker::Call;
use crate::broker::trace::Level;
use crate::broker::weigh::Opaque;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::{clock, container_namespace, host_namespace, log, namespaces, types};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::{NamespaceHandle, Place};

impl types::Host for Guest {}

impl namespaces::Host for Guest {}

impl namespaces::HostNetns for Guest {
    fn drop(&mut self, handle: Resource<NamespaceHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl container_namespace::Host for Guest {
    fn open(&mut self) -> wasmtime::Result<Option<Resource<NamespaceHandle>>> {
        let netns = self.session.container_netns();
        match self.call(Call::ContainerNamespaceOpen, || Ok(netns.map(Opaque)))? {
            Ok(Some(Opaque(netns))) => Ok(Some(self.table.push(NamespaceHandle { netns, place: Place::Container })?)),
            Ok(None) | Err(_) => Ok(None),
        }
    }
}

impl host_namespace::Host for Guest {
    fn open(&mut self) -> Answer<Resource<NamespaceHandle>> {
        let session = self.session.clone();
        match self.call(Call::HostNamespaceOpen, || session.host_netns().map(Opaque))? {
            Ok(Opaque(netns)) => Ok(Ok(self.table.push(NamespaceHandle { netns, place: Place::Host })?)),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug => Level::Debug,
        };
        let (plugin, budget) = (self.broker.plugin().to_owned(), self.broker.budget().clone());
        // A refused line is a lost line; there is nothing that a guest could do about it.
        let _ = self.call(Call::LogWrite { message: &message }, || {
            budget.log(&plugin, level, &message);
            Ok(())
        })?;
        Ok(())
    }
}

impl clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let started = self.session.started();
        let answer = self.call(Call::ClockNow, || Ok(started.elapsed().as_millis()))?;
        Ok(answer.ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0))
    }

    fn sleep(&mut self, milliseconds: u32) -> wasmtime::Result<()> {
        let wanted = Duration::from_millis(milliseconds.into());
        let pause = wanted.min(self.broker.time_left().saturating_add(Duration::from_millis(1)));
        let _ = self.call(Call::ClockSleep, || {
            std::thread::sleep(pause);
            Ok(())
        })?;
        Ok(())
    }
}
