//! Traffic control of links. Needs the interface `traffic-control`.

use crate::failure::Failure;
use crate::imports::traffic_control;
use crate::net::{Link, TokenBucket};

impl Link {
    /// Let packets leave by this link through a token bucket filter. `AlreadyExists` where somebody gave the link a root
    /// queueing discipline.
    pub fn shape(&self, bucket: TokenBucket) -> Result<(), Failure> {
        traffic_control::shape(&self.raw, bucket)
    }

    /// The token bucket filter that packets leave by this link through; none where there is none.
    pub fn shaper(&self) -> Result<Option<TokenBucket>, Failure> {
        traffic_control::shaper(&self.raw)
    }

    /// Remove the token bucket filter. None there is no failure.
    pub fn remove_shaper(&self) -> Result<(), Failure> {
        traffic_control::remove_shaper(&self.raw)
    }

    /// Let every packet that comes in by this link leave by another one of the namespace instead. `AlreadyExists` where
    /// the link has an ingress discipline.
    pub fn redirect(&self, target: &Self) -> Result<(), Failure> {
        traffic_control::redirect(&self.raw, &target.raw)
    }

    /// The indices of the links that every packet that comes in by this link is sent to. 0: the target is gone.
    pub fn redirects(&self) -> Result<Vec<u32>, Failure> {
        traffic_control::redirects(&self.raw)
    }

    /// Remove the redirect. None there is no failure.
    pub fn remove_redirect(&self) -> Result<(), Failure> {
        traffic_control::remove_redirect(&self.raw)
    }
}
