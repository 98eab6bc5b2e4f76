//! Keep a few capabilities and give up the others.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities};
use rustix::thread::{capability_is_in_bounding_set, remove_capability_from_bounding_set};

use crate::{Error, Result};

/// A set of capabilities.
pub use rustix::thread::CapabilitySet as Capabilities;

/// More than the kernel has today; it says itself where its own end.
const LAST: u32 = 63;

/// Keep these, of those that the thread has, and no others. Programs that it starts get no more either, provided that
/// `no_new_privs` is set; else say so with `also_bounding`, which takes ten times as long.
pub fn keep(kept: CapabilitySet, also_bounding: bool) -> Result<()> {
    let failed = |e: Errno| Error::io("give up capabilities", &e.into());
    let before = capabilities(None).map_err(failed)?;
    if also_bounding && before.effective.contains(CapabilitySet::SETPCAP) {
        limit_bounding(kept).map_err(failed)?;
    }
    match clear_ambient_capability_set() {
        // Before Linux 4.3 there is no such set.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let held = before.permitted & kept;
    let sets = CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(failed)
}

fn limit_bounding(kept: CapabilitySet) -> std::result::Result<(), Errno> {
    for number in 0..=LAST {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match capability_is_in_bounding_set(one) {
            Ok(true) => remove_capability_from_bounding_set(one)?,
            Ok(false) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
