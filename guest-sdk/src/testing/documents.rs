//! The model's documents that plugins keep from ADD to DEL, by path.

use cni_spec::json;
use serde_json::Value;

use crate::bindings::weir::cni::types::Attachment as AttachmentRecord;
use crate::export::AttachmentExt;
use crate::plugin::Attachment;
use crate::testing::state::State;

/// How the file of an attachment is called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Naming {
    Attachment,
    Container,
    ContainerInterface,
}

fn path(directory: Option<&str>, naming: Naming, owner: &Attachment) -> String {
    let Attachment { container_id, interface_name } = owner;
    let directory = directory.unwrap_or("/run/cni");
    match naming {
        Naming::Attachment => format!("{directory}/{container_id}_{interface_name}.json"),
        Naming::Container => format!("{directory}/{container_id}"),
        Naming::ContainerInterface => format!("{directory}/{container_id}:{interface_name}"),
    }
}

impl State {
    pub(crate) fn document(&self, directory: Option<&str>, naming: Naming) -> Option<Vec<u8>> {
        self.documents.get(&path(directory, naming, &self.attachment)).cloned()
    }

    pub(crate) fn save_document(&mut self, directory: Option<&str>, naming: Naming, document: &[u8]) {
        self.documents.insert(path(directory, naming, &self.attachment), document.to_vec());
    }

    pub(crate) fn remove_document(&mut self, directory: Option<&str>, naming: Naming) {
        self.documents.remove(&path(directory, naming, &self.attachment));
    }

    /// Remove the documents of the command's network that belong to none of these attachments.
    pub(crate) fn retain_documents(
        &mut self,
        directory: Option<&str>,
        namings: &[Naming],
        valid: &[AttachmentRecord],
    ) -> Vec<Vec<u8>> {
        let owners: Vec<_> = valid.iter().cloned().map(Attachment::from_record).collect();
        let spared = |name: &str| {
            owners.iter().any(|owner| namings.iter().any(|naming| path(directory, *naming, owner) == name))
        };
        let start = format!("{}/", directory.unwrap_or("/run/cni"));
        let network = self.network.clone();
        let belongs = |document: &[u8]| {
            let document = json::parse(document).ok();
            document.is_some_and(|document| document.get("name").and_then(Value::as_str) == Some(network.as_str()))
        };
        let goes = |name: &str, document: &[u8]| name.starts_with(&start) && !spared(name) && belongs(document);
        let gone: Vec<_> = self
            .documents
            .iter()
            .filter(|(name, document)| goes(name, document))
            .map(|(name, _)| name.clone())
            .collect();
        gone.iter().filter_map(|name| self.documents.remove(name)).collect()
    }
}
