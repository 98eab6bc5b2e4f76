//! `attachment-state`, `container-state`, `environment-files`.

use std::path::{Path, PathBuf};

use weir_native::attachment::Attachment as NativeAttachment;
use weir_native::attachment_state::{self as native, Naming};
use weir_native::environment_file;

use weir_native::{Error, ErrorKind};

use super::convert;
use super::ipam::absolute;
use crate::broker::{Call, Function};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::types::Attachment;
use crate::sandbox::bindings::cni::{attachment_state, container_state, environment_files};
use crate::sandbox::guest::Answer;

const ATTACHMENT: Naming = Naming::Attachment;

impl attachment_state::Host for Guest {
    fn load(&mut self, directory: Option<String>) -> Answer<Option<Vec<u8>>> {
        let owner = self.session.attachment();
        let directory = valid!(self, Function::StateLoad, self.state_directory(directory));
        self.call(Call::StateLoad { directory: &directory }, || native::load(&directory, ATTACHMENT, &owner))
    }

    fn save(&mut self, directory: Option<String>, document: Vec<u8>) -> Answer<()> {
        let owner = self.session.attachment();
        valid!(self, Function::StateSave, self.document(&document)?);
        let directory = valid!(self, Function::StateSave, self.state_directory(directory));
        self.call(Call::StateSave { directory: &directory }, || native::save(&directory, ATTACHMENT, &owner, &document))
    }

    fn remove(&mut self, directory: Option<String>) -> Answer<()> {
        let owner = self.session.attachment();
        let directory = valid!(self, Function::StateRemove, self.state_directory(directory));
        self.call(Call::StateRemove { directory: &directory }, || native::remove(&directory, ATTACHMENT, &owner))
    }

    fn retain(&mut self, directory: Option<String>, valid: Vec<Attachment>) -> Answer<Vec<Vec<u8>>> {
        let directory = valid!(self, Function::StateRetain, self.state_directory(directory));
        let valid: Vec<_> = valid.into_iter().map(convert::attachment).collect();
        valid!(self, Function::StateRetain, self.spares_all_in_use(&valid));
        self.retain(Call::StateRetain { directory: &directory, valid: &valid }, &directory, &[ATTACHMENT], &valid)
    }
}

impl container_state::Host for Guest {
    fn load(&mut self, directory: String, file: container_state::File) -> Answer<Option<Vec<u8>>> {
        let owner = self.session.attachment();
        let directory = valid!(self, Function::ContainerStateLoad, absolute(&directory));
        self.call(Call::ContainerStateLoad { directory: &directory }, || native::load(&directory, naming(file), &owner))
    }

    fn save(&mut self, directory: String, file: container_state::File, document: Vec<u8>) -> Answer<()> {
        let owner = self.session.attachment();
        valid!(self, Function::ContainerStateSave, self.document(&document)?);
        let directory = valid!(self, Function::ContainerStateSave, absolute(&directory));
        let naming = naming(file);
        self.call(Call::ContainerStateSave { directory: &directory, naming }, || {
            native::save(&directory, naming, &owner, &document)
        })
    }

    fn remove(&mut self, directory: String, file: container_state::File) -> Answer<()> {
        let owner = self.session.attachment();
        let directory = valid!(self, Function::ContainerStateRemove, absolute(&directory));
        self.call(Call::ContainerStateRemove { directory: &directory }, || {
            native::remove(&directory, naming(file), &owner)
        })
    }

    fn retain(&mut self, directory: String, valid: Vec<Attachment>) -> Answer<Vec<Vec<u8>>> {
        let namings = [Naming::Container, Naming::ContainerInterface];
        let directory = valid!(self, Function::ContainerStateRetain, absolute(&directory));
        let valid: Vec<_> = valid.into_iter().map(convert::attachment).collect();
        valid!(self, Function::ContainerStateRetain, self.spares_all_in_use(&valid));
        self.retain(Call::ContainerStateRetain { directory: &directory, valid: &valid }, &directory, &namings, &valid)
    }
}

fn naming(file: container_state::File) -> Naming {
    match file {
        container_state::File::Container => Naming::Container,
        container_state::File::Interface => Naming::ContainerInterface,
    }
}

impl Guest {
    fn state_directory(&self, directory: Option<String>) -> weir_native::Result<PathBuf> {
        match directory {
            Some(directory) => absolute(&directory),
            None => Ok(Path::new("/run/cni").join(self.broker.plugin())),
        }
    }

    /// A document that is to be saved: neither too large, nor free of charge.
    fn document(&self, document: &[u8]) -> wasmtime::Result<weir_native::Result<()>> {
        self.exchange(document.len() as u64)?;
        let limit = self.broker.budget().limits().document_bytes;
        Ok(match document.len() > limit {
            true => Err(Error::new(
                ErrorKind::Exhausted,
                format!("the document of {} bytes is larger than {limit} (limit documentBytes)", document.len()),
            )),
            false => Ok(()),
        })
    }

    fn retain(
        &mut self,
        call: Call<'_>,
        directory: &Path,
        namings: &[Naming],
        valid: &[NativeAttachment],
    ) -> Answer<Vec<Vec<u8>>> {
        self.admit_list(valid.len())?;
        let session = self.session.clone();
        let belongs = |document: &[u8]| is_named(document, session.network());
        self.call(call, || native::retain(directory, namings, valid, &belongs))
    }
}

/// Whether a document is a JSON object that names this network.
fn is_named(document: &[u8], network: &str) -> bool {
    let document: Option<serde_json::Value> = serde_json::from_slice(document).ok();
    document.is_some_and(|document| document.get("name").and_then(serde_json::Value::as_str) == Some(network))
}

impl environment_files::Host for Guest {
    fn load(&mut self, path: String) -> Answer<Vec<(String, String)>> {
        self.call(Call::EnvironmentFilesLoad { path: Path::new(&path) }, || environment_file::load(Path::new(&path)))
    }
}
