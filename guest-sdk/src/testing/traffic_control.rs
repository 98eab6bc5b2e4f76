//! The model's traffic control: a shaper and a redirect of each link.

use crate::bindings::weir::cni::traffic_control::TokenBucket;
use crate::failure::{Failure, FailureKind};
use crate::testing::state::State;

/// What the kernel does with the packets of a link.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrafficControl {
    shaper: Option<TokenBucket>,
    /// Numbers of the links that what comes in goes to.
    redirects: Vec<u64>,
}

fn failure<T>(kind: FailureKind, message: &str) -> Result<T, Failure> {
    Err(Failure::new(kind, message))
}

impl State {
    pub(crate) fn shape(&mut self, id: u64, bucket: TokenBucket) -> Result<(), Failure> {
        let longest = u128::from(bucket.rate) * 270;
        if bucket.rate == 0 || bucket.burst == 0 || bucket.limit == 0 || u128::from(bucket.burst) > longest {
            return failure(FailureKind::Invalid, "shape: no such token bucket is possible");
        }
        let control = &mut self.device(id)?.traffic_control;
        if control.shaper.is_some() {
            return failure(FailureKind::AlreadyExists, "shape: the link is shaped already");
        }
        control.shaper = Some(bucket);
        Ok(())
    }

    pub(crate) fn shaper(&mut self, id: u64) -> Result<Option<TokenBucket>, Failure> {
        Ok(self.device(id)?.traffic_control.shaper)
    }

    pub(crate) fn remove_shaper(&mut self, id: u64) -> Result<(), Failure> {
        self.device(id)?.traffic_control.shaper = None;
        Ok(())
    }

    pub(crate) fn redirect(&mut self, id: u64, target: u64) -> Result<(), Failure> {
        let namespace = self.device(id)?.namespace;
        if id == target || self.device(target)?.namespace != namespace {
            return failure(FailureKind::Invalid, "redirect: the target must be another link of the namespace");
        }
        let control = &mut self.device(id)?.traffic_control;
        if !control.redirects.is_empty() {
            return failure(FailureKind::AlreadyExists, "redirect: the link is redirected already");
        }
        control.redirects.push(target);
        Ok(())
    }

    pub(crate) fn redirects(&mut self, id: u64) -> Result<Vec<u32>, Failure> {
        let targets = self.device(id)?.traffic_control.redirects.clone();
        Ok(targets.iter().map(|target| self.devices.get(target).map_or(0, |device| device.index)).collect())
    }

    pub(crate) fn remove_redirect(&mut self, id: u64) -> Result<(), Failure> {
        self.device(id)?.traffic_control.redirects.clear();
        Ok(())
    }
}
