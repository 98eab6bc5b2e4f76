//! Saved documents, environment files and the device tree of the contract, on the in-memory model.

use crate::bindings::weir::cni as contract;
use crate::failure::{Failure, FailureKind};
use crate::testing::state::with;

pub(crate) mod attachment_state {
    use super::*;
    use crate::testing::documents::Naming;
    use contract::types::Attachment;

    pub(crate) fn load(directory: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
        with(|state| {
            state.call("attachment-state.load", "")?;
            Ok(state.document(directory, Naming::Attachment))
        })
    }
    pub(crate) fn save(directory: Option<&str>, document: &[u8]) -> Result<(), Failure> {
        with(|state| {
            state.call("attachment-state.save", "")?;
            state.save_document(directory, Naming::Attachment, document);
            Ok(())
        })
    }
    pub(crate) fn remove(directory: Option<&str>) -> Result<(), Failure> {
        with(|state| {
            state.call("attachment-state.remove", "")?;
            state.remove_document(directory, Naming::Attachment);
            Ok(())
        })
    }
    pub(crate) fn retain(directory: Option<&str>, valid: &[Attachment]) -> Result<Vec<Vec<u8>>, Failure> {
        with(|state| {
            state.call("attachment-state.retain", valid.len())?;
            Ok(state.retain_documents(directory, &[Naming::Attachment], valid))
        })
    }
}

pub(crate) mod container_state {
    use super::*;
    use crate::testing::documents::Naming;
    use contract::container_state::File;
    use contract::types::Attachment;

    fn naming(file: File) -> Naming {
        match file {
            File::Container => Naming::Container,
            File::Interface => Naming::ContainerInterface,
        }
    }

    pub(crate) fn load(directory: &str, file: File) -> Result<Option<Vec<u8>>, Failure> {
        with(|state| {
            state.call("container-state.load", "")?;
            Ok(state.document(Some(directory), naming(file)))
        })
    }
    pub(crate) fn save(directory: &str, file: File, document: &[u8]) -> Result<(), Failure> {
        with(|state| {
            state.call("container-state.save", "")?;
            state.save_document(Some(directory), naming(file), document);
            Ok(())
        })
    }
    pub(crate) fn remove(directory: &str, file: File) -> Result<(), Failure> {
        with(|state| {
            state.call("container-state.remove", "")?;
            state.remove_document(Some(directory), naming(file));
            Ok(())
        })
    }
    pub(crate) fn retain(directory: &str, valid: &[Attachment]) -> Result<Vec<Vec<u8>>, Failure> {
        with(|state| {
            state.call("container-state.retain", valid.len())?;
            let both = [Naming::Container, Naming::ContainerInterface];
            Ok(state.retain_documents(Some(directory), &both, valid))
        })
    }
}

pub(crate) mod environment_files {
    use super::*;

    pub(crate) fn load(path: &str) -> Result<Vec<(String, String)>, Failure> {
        with(|state| {
            state.call("environment-files.load", path)?;
            let pairs = state.environment_files.get(path).cloned();
            pairs.ok_or_else(|| Failure::new(FailureKind::NotFound, format!("read {path}: there is no such file")))
        })
    }
}

pub(crate) mod host_devices {
    use super::*;
    use contract::host_devices::Device;

    fn find(function: &str, name: &str, prefix: &str) -> Result<Option<Device>, Failure> {
        with(|state| {
            state.call(function, name)?;
            Ok(state.host_devices.get(&format!("{prefix}{name}")).cloned())
        })
    }

    pub(crate) fn find_pci(address: &str) -> Result<Option<Device>, Failure> {
        if !address.contains(':') {
            return Err(Failure::new(FailureKind::Invalid, format!("{address:?} is no PCI address")));
        }
        find("host-devices.find-pci", address, "pci/")
    }
    pub(crate) fn find_auxiliary(name: &str) -> Result<Option<Device>, Failure> {
        find("host-devices.find-auxiliary", name, "auxiliary/")
    }
    pub(crate) fn find_by_path(path: &str) -> Result<Option<Device>, Failure> {
        if !path.starts_with("/sys/devices/") {
            return Err(Failure::new(FailureKind::Invalid, format!("device path {path}: not below /sys/devices")));
        }
        find("host-devices.find-by-path", path, "")
    }
}
