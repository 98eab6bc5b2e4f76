//! The store, delegation and small services of the contract, on the in-memory model.

use crate::bindings::weir::cni as contract;
use crate::failure::Failure;
use crate::testing::state::with;

pub(crate) mod ipam_store {
    use super::*;
    use contract::ipam_store::{AddressRange, Lease};
    use contract::types::{Attachment, IpAddress};

    /// The store of one network in the model.
    #[derive(Debug)]
    pub(crate) struct Store {
        directory: String,
    }

    pub(crate) fn open(directory: Option<&str>) -> Result<Store, Failure> {
        with(|state| {
            let directory = directory.unwrap_or("/var/lib/cni/networks");
            state.call("ipam-store.open", directory)?;
            Ok(Store { directory: directory.to_owned() })
        })
    }

    impl Store {
        pub(crate) fn allocate(&self, range_set: u32, ranges: &[AddressRange]) -> Result<IpAddress, Failure> {
            with(|state| {
                state.call("ipam-store.allocate", range_set)?;
                let (store, owner) = state.store(&self.directory)?;
                store.allocate(owner, range_set, ranges).map(Into::into)
            })
        }
        pub(crate) fn reserve(&self, range_set: u32, address: IpAddress) -> Result<(), Failure> {
            with(|state| {
                state.call("ipam-store.reserve", std::net::IpAddr::from(address))?;
                let (store, owner) = state.store(&self.directory)?;
                store.reserve(owner, range_set, address.into())
            })
        }
        pub(crate) fn release_address(&self, address: IpAddress) -> Result<(), Failure> {
            with(|state| {
                state.call("ipam-store.release-address", std::net::IpAddr::from(address))?;
                let (store, owner) = state.store(&self.directory)?;
                store.release(|leased, holder| leased == std::net::IpAddr::from(address) && *holder == owner);
                Ok(())
            })
        }
        pub(crate) fn release(&self) -> Result<Vec<IpAddress>, Failure> {
            with(|state| {
                state.call("ipam-store.release", "")?;
                let (store, owner) = state.store(&self.directory)?;
                Ok(store.release(|_, holder| *holder == owner).into_iter().map(|(address, _)| address.into()).collect())
            })
        }
        pub(crate) fn find(&self) -> Result<Vec<IpAddress>, Failure> {
            with(|state| {
                state.call("ipam-store.find", "")?;
                let (store, owner) = state.store(&self.directory)?;
                Ok(store.find(&owner).into_iter().map(Into::into).collect())
            })
        }
        pub(crate) fn list(&self) -> Result<Vec<Lease>, Failure> {
            with(|state| {
                state.call("ipam-store.list", "")?;
                Ok(state.store(&self.directory)?.0.list())
            })
        }
        pub(crate) fn retain(&self, valid: &[Attachment]) -> Result<Vec<Lease>, Failure> {
            with(|state| {
                state.call("ipam-store.retain", valid.len())?;
                Ok(state.store(&self.directory)?.0.retain(valid))
            })
        }
        pub(crate) fn count_free(&self, ranges: &[AddressRange]) -> Result<u64, Failure> {
            with(|state| {
                state.call("ipam-store.count-free", ranges.len())?;
                Ok(state.store(&self.directory)?.0.count_free(ranges))
            })
        }
    }
}

pub(crate) mod resolver {
    use super::*;
    use contract::resolver::Settings;

    pub(crate) fn load(path: &str) -> Result<Settings, Failure> {
        with(|state| {
            state.call("resolver.load", path)?;
            state.resolv_conf.get(path).cloned().ok_or_else(|| {
                Failure::new(crate::FailureKind::NotFound, format!("read {path}: there is no such file"))
            })
        })
    }
}

pub(crate) mod delegate {
    use super::*;
    use crate::testing::DelegateCall;
    use contract::delegate::{Command, DelegateError};

    pub(crate) fn call(command: Command, plugin_type: &str, config: &str) -> Result<String, DelegateError> {
        let error = |code, msg| DelegateError { code, msg, details: String::new() };
        let script = with(|state| {
            state.delegate_calls.push((plugin_type.to_owned(), command));
            state
                .call("delegate.call", format_args!("{command:?} {plugin_type}"))
                .map_err(|failure| error(failure.code(), failure.message))?;
            state
                .delegates
                .get(plugin_type)
                .cloned()
                .ok_or_else(|| error(999, format!("plugin {plugin_type:?} is not installed")))
        })?;
        let attachment = with(|state| state.attachment.clone());
        // The model is not borrowed here: a scripted plugin may look at the world.
        script(&DelegateCall { command, config: config.to_owned(), attachment }).map_err(|failed| DelegateError {
            code: failed.code,
            msg: failed.msg,
            details: failed.details,
        })
    }
}
