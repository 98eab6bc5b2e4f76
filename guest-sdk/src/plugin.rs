//! What a plugin does, and what it is asked.

use cni_spec::args::Args;
use cni_spec::error::Error;
use cni_spec::json;
use cni_spec::quoted::Quoted;
use cni_spec::result::AddResult;
use cni_spec::version::Version;
use serde::de::DeserializeOwned;

use crate::net::Netns;

pub use cni_spec::config::Attachment;

/// Result of everything that can end a command: the error is what the runtime will see.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A CNI plugin. VERSION is answered by the host, from the [manifest](crate::manifest!).
///
/// There is one instance for each command, so a plugin keeps nothing in memory from one to the next.
pub trait Plugin {
    /// Attach the container: make or change the interface, and return the result. A chained plugin returns
    /// [`Request::prev_result`], changed or not. What a failed ADD made, it must take away again.
    fn add(request: &Request) -> Result<AddResult>;

    /// Detach the container. Must succeed where nothing is left to do, and do what can be done where the namespace is gone.
    fn del(request: &Request) -> Result<()>;

    /// Compare what is with what the previous result says.
    fn check(request: &Request) -> Result<()>;

    /// Remove what belongs to no valid attachment. A plugin that keeps nothing outside the container has nothing to do.
    fn gc(_request: &GcRequest) -> Result<()> {
        Ok(())
    }

    /// Say whether ADD would work: error 50 where not, 51 where containers that exist suffer too.
    fn status(_request: &StatusRequest) -> Result<()> {
        Ok(())
    }
}

/// ADD, CHECK or DEL of one attachment. All names are valid by the rules of the specification.
#[derive(Debug, Clone)]
pub struct Request {
    /// Network name.
    pub network: String,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_IFNAME.
    pub interface_name: String,
    /// CNI_NETNS as given, for the result's `sandbox`; none on DEL where the runtime gave none.
    pub netns_path: Option<String>,
    /// The network configuration (JSON), as the runtime gave it. Delegates get this text.
    pub raw_config: String,
    pub(crate) args: Args,
    pub(crate) prev_result: Option<AddResult>,
}

impl Request {
    /// The configuration, decoded as the Go plugins do: keys in any case, unknown keys passed over, null as absent.
    /// Error code 6 where it does not fit.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        decode(&self.raw_config)
    }

    /// CNI_ARGS.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// The result of the plugins before this one (ADD), or of the whole chain (CHECK, DEL).
    pub fn prev_result(&self) -> Option<&AddResult> {
        self.prev_result.as_ref()
    }

    /// The previous result, where the plugin cannot do without. Error code 7 where there is none.
    pub fn require_prev_result(&self) -> Result<&AddResult> {
        self.prev_result.as_ref().ok_or_else(|| {
            Error::invalid_config("prevResult is missing: this plugin must come after one that makes the interface")
        })
    }

    /// The namespace of the container, where the plugin cannot do without (ADD, CHECK). Error code 3 where it is gone.
    pub fn netns(&self) -> Result<Netns> {
        Netns::container().ok_or_else(|| {
            let path = self.netns_path.as_deref().unwrap_or_default();
            Error::unknown_container(format!(
                "the network namespace {} of the container cannot be opened",
                Quoted(path)
            ))
        })
    }

    /// The version of the specification that the configuration asks for.
    pub fn version(&self) -> Result<Version> {
        version_of(&self.raw_config)
    }

    /// Container ID and interface name together.
    pub fn attachment(&self) -> Attachment {
        Attachment { container_id: self.container_id.clone(), interface_name: self.interface_name.clone() }
    }
}

/// GC of a network.
#[derive(Debug, Clone)]
pub struct GcRequest {
    /// Network name.
    pub network: String,
    /// The network configuration (JSON).
    pub raw_config: String,
    /// Attachments that are in use; everything else of this network may go.
    pub valid_attachments: Vec<Attachment>,
}

impl GcRequest {
    /// The configuration; see [`Request::config`].
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        decode(&self.raw_config)
    }

    /// Whether an attachment is in use.
    pub fn is_valid(&self, container_id: &str, interface_name: &str) -> bool {
        self.valid_attachments
            .iter()
            .any(|valid| valid.container_id == container_id && valid.interface_name == interface_name)
    }

    /// The valid attachments in the contract's words.
    pub(crate) fn valid_records(&self) -> Vec<crate::bindings::weir::cni::types::Attachment> {
        self.valid_attachments.iter().map(crate::export::AttachmentExt::to_record).collect()
    }
}

/// STATUS of a network.
#[derive(Debug, Clone)]
pub struct StatusRequest {
    /// Network name.
    pub network: String,
    /// The network configuration (JSON).
    pub raw_config: String,
}

impl StatusRequest {
    /// The configuration; see [`Request::config`].
    pub fn config<T: DeserializeOwned>(&self) -> Result<T> {
        decode(&self.raw_config)
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    json::from_slice(text.as_bytes()).map_err(|error| {
        Error::decode_failure("the network configuration cannot be read").with_details(error.to_string())
    })
}

fn version_of(text: &str) -> Result<Version> {
    #[derive(serde::Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Head {
        cni_version: String,
    }
    Ok(decode::<Head>(text)?.cni_version.parse::<Version>()?)
}
