//! Between host and container.

use weir_sdk::net::{LinkChanges, LinkInfo};
use weir_sdk::{Context, Error, Failure, Link, Netns, Request, Result, info, warn};

use crate::find::Device;
use crate::saved::Saved;

/// How many other names are tried where the device's own is taken.
const ATTEMPTS: u32 = 100;
/// IFNAMSIZ without the zero at the end.
const LONGEST_NAME: usize = 15;

/// Move a device into the container, where it appears under the name of the command. After a failure it is on the host as it
/// was.
pub(crate) fn to_container(host: &Netns, device: &Device, container: &Netns, request: &Request) -> Result<Link> {
    let (from, to) = (&device.info.name, &request.interface_name);
    let changes = LinkChanges { name: Some(to.clone()), alias: Some(from.clone()), ..LinkChanges::default() };
    device.link.move_to(container, &changes).map_err(|failure| {
        let back = host
            .link(from)
            .map_err(Error::from)
            .and_then(|link| link.map_or(Ok(()), |link| device.put_back_as_it_was(&link)));
        if let Err(error) = back {
            warn!("undo the failed ADD: {}", error.msg);
        }
        Error::from(failure.within(&format!("move {from} into the container as {to}")))
    })
}

/// Move a device to the host, under its name there, or another where that is taken. It loses its addresses and arrives down.
pub(crate) fn to_host(link: Link, host: &Netns, saved: &Saved) -> Result<Link> {
    let outcome = in_free_name(host, &saved.device, |name| link.move_to(host, &home(name, saved)));
    outcome.with_context(|| format!("move the device back to the host as {}", saved.device))
}

/// Rename a device that the kernel brought back when the container's namespace ended. It is down and has the alias that it
/// had in the container, so that nothing else is taken for it. Where its name is taken it keeps the one that it has.
pub(crate) fn recover(host: &Netns, saved: &Saved) -> Result<()> {
    let doing = || format!("look for {} among the links of the host", saved.device);
    if let Some(link) = host.link(&saved.device).with_context(doing)? {
        // Its name in the container may have been the same.
        let is_marked = link.info().with_context(doing)?.alias.as_deref() == Some(saved.device.as_str());
        if is_marked {
            let changes = LinkChanges { alias: Some(saved.alias.clone()), ..LinkChanges::default() };
            link.update(&changes).with_context(|| format!("give {} its alias back", saved.device))?;
        }
        return Ok(());
    }
    let lost = |info: &LinkInfo| info.alias.as_deref() == Some(saved.device.as_str()) && !info.up;
    let Some(found) = host.links().with_context(doing)?.into_iter().find(lost) else { return Ok(()) };
    let Some(link) = host.link_by_index(found.index).with_context(doing)? else { return Ok(()) };
    let doing = || format!("give {} its name {} back", found.name, saved.device);
    link.update(&home(&saved.device, saved)).with_context(doing)?;
    info!("{} is on the host again, where it came back as {}", saved.device, found.name);
    Ok(())
}

fn home(name: &str, saved: &Saved) -> LinkChanges {
    LinkChanges { name: Some(name.to_owned()), alias: Some(saved.alias.clone()), ..LinkChanges::default() }
}

/// Do something with the name of a device, or with another that is free where that is taken.
fn in_free_name<T>(host: &Netns, device: &str, action: impl Fn(&str) -> Result<T, Failure>) -> Result<T> {
    let mut outcome = action(device);
    for number in 1..=ATTEMPTS {
        match &outcome {
            Err(failure) if failure.is_already_exists() => {}
            _ => break,
        }
        let ending = format!("_{number}");
        let start: String = device.chars().take(LONGEST_NAME.saturating_sub(ending.len())).collect();
        let name = start + &ending;
        if host.link(&name)?.is_none() {
            outcome = action(&name);
            if outcome.is_ok() {
                warn!("{device} is the name of another link now; the device is called {name}");
            }
        }
    }
    Ok(outcome?)
}
