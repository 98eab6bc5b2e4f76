//! `traffic-control`.

use wasmtime::component::Resource;
use weir_native::traffic_control as native;

use crate::broker::Call;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::traffic_control::{self, TokenBucket};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::LinkHandle;

type LinkResource = Resource<LinkHandle>;

impl traffic_control::Host for Guest {
    fn shape(&mut self, link: LinkResource, bucket: TokenBucket) -> Answer<()> {
        let link = self.link(&link)?;
        let bucket = native::TokenBucket { rate: bucket.rate, burst: bucket.burst, limit: bucket.limit };
        self.call(Call::TrafficControlShape { link: &link, bucket: &bucket }, || {
            native::shape(&link.namespace.netns, link.index, &bucket)
        })
    }

    fn shaper(&mut self, link: LinkResource) -> Answer<Option<TokenBucket>> {
        let link = self.link(&link)?;
        self.call(Call::TrafficControlShaper { link: &link }, || {
            let bucket = native::shaper(&link.namespace.netns, link.index)?;
            Ok(bucket.map(|b| TokenBucket { rate: b.rate, burst: b.burst, limit: b.limit }))
        })
    }

    fn remove_shaper(&mut self, link: LinkResource) -> Answer<()> {
        let link = self.link(&link)?;
        self.call(Call::TrafficControlRemoveShaper { link: &link }, || {
            native::remove_shaper(&link.namespace.netns, link.index)
        })
    }

    fn redirect(&mut self, link: LinkResource, target: LinkResource) -> Answer<()> {
        let (link, target) = (self.link(&link)?, self.link(&target)?);
        self.call(Call::TrafficControlRedirect { link: &link, target: &target }, || {
            if !link.namespace.netns.is_same(&target.namespace.netns) {
                return Err(weir_native::Error::new(
                    weir_native::ErrorKind::Invalid,
                    "redirect what comes in by a link to another link: they are in different namespaces",
                ));
            }
            native::redirect(&link.namespace.netns, link.index, target.index)
        })
    }

    fn redirects(&mut self, link: LinkResource) -> Answer<Vec<u32>> {
        let link = self.link(&link)?;
        self.call(Call::TrafficControlRedirects { link: &link }, || {
            native::redirects(&link.namespace.netns, link.index)
        })
    }

    fn remove_redirect(&mut self, link: LinkResource) -> Answer<()> {
        let link = self.link(&link)?;
        self.call(Call::TrafficControlRemoveRedirect { link: &link }, || {
            native::remove_redirect(&link.namespace.netns, link.index)
        })
    }
}
