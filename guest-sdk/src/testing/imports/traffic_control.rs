//! Traffic control of the contract, on the in-memory model.

use super::links::Link;
use crate::bindings::weir::cni::traffic_control::TokenBucket;
use crate::failure::Failure;
use crate::testing::state::with;

pub(crate) fn shape(link: &Link, bucket: TokenBucket) -> Result<(), Failure> {
    with(|state| {
        state.call("traffic-control.shape", link.id)?;
        state.shape(link.id, bucket)
    })
}

pub(crate) fn shaper(link: &Link) -> Result<Option<TokenBucket>, Failure> {
    with(|state| {
        state.call("traffic-control.shaper", link.id)?;
        state.shaper(link.id)
    })
}

pub(crate) fn remove_shaper(link: &Link) -> Result<(), Failure> {
    with(|state| {
        state.call("traffic-control.remove-shaper", link.id)?;
        state.remove_shaper(link.id)
    })
}

pub(crate) fn redirect(link: &Link, target: &Link) -> Result<(), Failure> {
    with(|state| {
        state.call("traffic-control.redirect", link.id)?;
        state.redirect(link.id, target.id)
    })
}

pub(crate) fn redirects(link: &Link) -> Result<Vec<u32>, Failure> {
    with(|state| {
        state.call("traffic-control.redirects", link.id)?;
        state.redirects(link.id)
    })
}

pub(crate) fn remove_redirect(link: &Link) -> Result<(), Failure> {
    with(|state| {
        state.call("traffic-control.remove-redirect", link.id)?;
        state.remove_redirect(link.id)
    })
}
