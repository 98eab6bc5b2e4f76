//! From the contract's records to a [`Plugin`] and back.

use cni_spec::args::Args;
use cni_spec::error::Error;
use cni_spec::result::AddResult;
use cni_spec::version;

use crate::bindings::exports::weir::cni::plugin as contract;
use crate::bindings::weir::cni::types::Attachment as AttachmentRecord;
use crate::failure::Context;
use crate::plugin::{Attachment, GcRequest, Plugin, Request, Result, StatusRequest};

/// Makes a type that implements [`Plugin`](crate::Plugin) the plugin of this component. Once in a crate; does nothing
/// outside WebAssembly, so that plugin crates can be tested and depended on natively.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, unused_qualifications, reason = "generated from the contract")]
        const _: () = {
            struct Exported;
            impl $crate::bindings::exports::weir::cni::plugin::Guest for Exported {
                fn add(
                    request: $crate::bindings::exports::weir::cni::plugin::Request,
                ) -> ::core::result::Result<::std::string::String, $crate::bindings::exports::weir::cni::plugin::CniError>
                {
                    $crate::export::add::<$plugin>(request)
                }
                fn del(
                    request: $crate::bindings::exports::weir::cni::plugin::Request,
                ) -> ::core::result::Result<(), $crate::bindings::exports::weir::cni::plugin::CniError> {
                    $crate::export::del::<$plugin>(request)
                }
                fn check(
                    request: $crate::bindings::exports::weir::cni::plugin::Request,
                ) -> ::core::result::Result<(), $crate::bindings::exports::weir::cni::plugin::CniError> {
                    $crate::export::check::<$plugin>(request)
                }
                fn gc(
                    request: $crate::bindings::exports::weir::cni::plugin::GcRequest,
                ) -> ::core::result::Result<(), $crate::bindings::exports::weir::cni::plugin::CniError> {
                    $crate::export::gc::<$plugin>(request)
                }
                fn status(
                    request: $crate::bindings::exports::weir::cni::plugin::StatusRequest,
                ) -> ::core::result::Result<(), $crate::bindings::exports::weir::cni::plugin::CniError> {
                    $crate::export::status::<$plugin>(request)
                }
            }
            $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// ADD of the contract.
pub fn add<P: Plugin>(request: contract::Request) -> Result<String, contract::CniError> {
    let added = Request::try_from(request).and_then(|request| P::add(&request))?;
    Ok(added.to_json_text(version::LATEST).map_err(Error::from)?)
}

/// DEL of the contract.
pub fn del<P: Plugin>(request: contract::Request) -> Result<(), contract::CniError> {
    Ok(Request::try_from(request).and_then(|request| P::del(&request))?)
}

/// CHECK of the contract.
pub fn check<P: Plugin>(request: contract::Request) -> Result<(), contract::CniError> {
    Ok(Request::try_from(request).and_then(|request| P::check(&request))?)
}

/// GC of the contract.
pub fn gc<P: Plugin>(request: contract::GcRequest) -> Result<(), contract::CniError> {
    Ok(P::gc(&request.into())?)
}

/// STATUS of the contract.
pub fn status<P: Plugin>(request: contract::StatusRequest) -> Result<(), contract::CniError> {
    Ok(P::status(&request.into())?)
}

impl TryFrom<contract::Request> for Request {
    type Error = Error;

    fn try_from(request: contract::Request) -> Result<Self> {
        let prev_result = request
            .prev_result
            .map(|text| AddResult::from_slice(text.as_bytes(), version::LATEST))
            .transpose()
            .map_err(Error::from)
            .context("prevResult")?;
        Ok(Self {
            network: request.network,
            container_id: request.attachment.container_id,
            interface_name: request.attachment.interface_name,
            netns_path: request.netns_path,
            raw_config: request.config,
            args: Args::from_iter(request.args),
            prev_result,
        })
    }
}

impl From<contract::GcRequest> for GcRequest {
    fn from(request: contract::GcRequest) -> Self {
        Self {
            network: request.network,
            raw_config: request.config,
            valid_attachments: request.valid_attachments.into_iter().map(Attachment::from_record).collect(),
        }
    }
}

impl From<contract::StatusRequest> for StatusRequest {
    fn from(request: contract::StatusRequest) -> Self {
        Self { network: request.network, raw_config: request.config }
    }
}

impl From<Error> for contract::CniError {
    fn from(error: Error) -> Self {
        Self { code: error.code, msg: error.msg, details: error.details }
    }
}

/// Between the contract's attachment and that of cni-spec.
pub(crate) trait AttachmentExt {
    fn from_record(record: AttachmentRecord) -> Self;
    fn to_record(&self) -> AttachmentRecord;
}

impl AttachmentExt for Attachment {
    fn from_record(record: AttachmentRecord) -> Self {
        Self { container_id: record.container_id, interface_name: record.interface_name }
    }

    fn to_record(&self) -> AttachmentRecord {
        AttachmentRecord { container_id: self.container_id.clone(), interface_name: self.interface_name.clone() }
    }
}
