//! Links: made, renamed, moved.

use weir_native::link::{LinkChanges, VethEnd};
use weir_native::virtual_link::LinkKind;

use super::check::{Check, Verdict, link_text};
use super::pattern::Pattern;
use super::{Granted, Refused};
use crate::broker::objects::{LinkHandle, NamespaceHandle, Place};
use crate::registry::grant_values::GrantedKind;

impl Check<'_> {
    /// Changes to a link; a new name on the host must be one that it may create.
    pub(super) fn update_link(&self, link: &LinkHandle, changes: &LinkChanges) -> Verdict {
        let place = self.place(&link.namespace);
        if place == Place::Host
            && let Some(pattern) = self.rename_of_lower(link, changes)?
        {
            return Ok(Granted::by("lowerLinks", pattern));
        }
        let granted = self.link(link)?;
        match &changes.name {
            Some(name) => self.new_name(place, name),
            None => Ok(granted),
        }
    }

    /// A link that may be moved to the container gets its name back where the kernel brought it back under another.
    fn rename_of_lower(&self, link: &LinkHandle, changes: &LinkChanges) -> Result<Option<&Pattern>, Refused> {
        let LinkChanges { up, name, mtu, mac, promiscuous, all_multicast, tx_queue_length, alias: _ } = changes;
        let more = up.is_some() || mtu.is_some() || mac.is_some() || promiscuous.is_some();
        if more || all_multicast.is_some() || tx_queue_length.is_some() || self.grants.lower_links.is_empty() {
            return Ok(None);
        }
        let Some(before) = self.name(link)? else { return Ok(None) };
        let fitting = |name: &str| self.grants.lower_links.iter().find(|pattern| pattern.matches(name, self.names));
        let old = fitting(&before);
        Ok(name.as_ref().map_or(old, |name| old.and_then(|_| fitting(name))))
    }

    /// A link may leave the host where links may be stacked on it, and come back under a name of that list. The
    /// container's own links may leave it.
    pub(super) fn move_link(&self, link: &LinkHandle, target: &NamespaceHandle, changes: &LinkChanges) -> Verdict {
        let (from, to) = (self.place(&link.namespace), self.place(target));
        let granted = match from {
            Place::Host => self.lower(link)?,
            Place::Container => self.link(link)?,
        };
        if to == Place::Container {
            return Ok(granted);
        }
        let name = match &changes.name {
            Some(name) => name.clone(),
            None => match self.name(link)? {
                Some(name) => name,
                None => return Ok(Granted::Absent),
            },
        };
        if let Some(pattern) = self.grants.lower_links.iter().find(|pattern| pattern.matches(&name, self.names)) {
            return Ok(Granted::by("lowerLinks", pattern));
        }
        self.new_name(to, &name)
    }

    /// A link to stack another on, or to move.
    fn lower(&self, link: &LinkHandle) -> Verdict {
        if self.place(&link.namespace) == Place::Container || self.facts.made(link) {
            return self.link(link);
        }
        let Some(name) = self.name(link)? else { return Ok(Granted::Absent) };
        if let Some(pattern) = self.grants.lower_links.iter().find(|pattern| pattern.matches(&name, self.names)) {
            return Ok(Granted::by("lowerLinks", pattern));
        }
        if self.facts.owns(link, &name) {
            return Ok(Granted::Own);
        }
        Err(Refused::new(format!("{} as a link below", link_text(Place::Host, &name)), "lowerLinks", &name))
    }

    /// In the container any free name will do; on the host a name is taken from everybody else there.
    fn new_name(&self, place: Place, name: &str) -> Verdict {
        if place == Place::Container {
            return Ok(Granted::Own);
        }
        match self.grants.host_links.iter().find(|pattern| pattern.matches(name, self.names)) {
            Some(pattern) => Ok(Granted::by("hostLinks", pattern)),
            None => Err(Refused::new(format!("the name {name} for a link of the host"), "hostLinks", name)),
        }
    }

    fn kind(&self, kind: GrantedKind) -> Verdict {
        if self.grants.link_kinds.contains(&kind) {
            return Ok(Granted::by("linkKinds", &kind));
        }
        Err(Refused::new(format!("links of the kind {kind}"), "linkKinds", &kind.to_string()))
    }

    pub(super) fn create_veth(
        &self,
        container: &NamespaceHandle,
        container_end: &VethEnd,
        host: &NamespaceHandle,
        host_end: &VethEnd,
    ) -> Verdict {
        let granted = self.kind(GrantedKind::Veth)?;
        for (namespace, end) in [(container, container_end), (host, host_end)] {
            // Without a name the host chooses one that nobody has.
            if let Some(name) = &end.name {
                self.new_name(self.place(namespace), name)?;
            }
        }
        Ok(granted)
    }

    pub(super) fn create_virtual_link(
        &self,
        namespace: &NamespaceHandle,
        name: &str,
        kind: &LinkKind,
        lower: Option<&LinkHandle>,
    ) -> Verdict {
        let granted = self.kind(GrantedKind::of(kind))?;
        self.new_name(self.place(namespace), name)?;
        lower.map_or(Ok(granted), |lower| self.lower(lower))
    }

    /// A bridge that is there already is used, so its name must be granted in the container too.
    pub(super) fn create_bridge(&self, namespace: &NamespaceHandle, name: &str) -> Verdict {
        self.kind(GrantedKind::Bridge)?;
        if self.place(namespace) == Place::Host {
            return self.new_name(Place::Host, name);
        }
        let mut patterns = self.grants.container_links.iter();
        match patterns.find(|pattern| pattern.matches(name, self.names)) {
            Some(pattern) => Ok(Granted::by("containerLinks", pattern)),
            None => Err(Refused::new(link_text(Place::Container, name), "containerLinks", name)),
        }
    }
}
