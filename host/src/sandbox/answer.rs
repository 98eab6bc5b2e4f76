//! What a plugin answers is a stranger's word: it is made fit to be passed on, or refused.

use cni_spec::error::Error as CniError;
use cni_spec::result::AddResult;

use super::bindings::plugin::CniError as WitError;
use crate::contract::code;

/// Longest short text of an error, in bytes.
const MSG: usize = 4096;
/// Longest long text of an error, in bytes.
pub(super) const DETAILS: usize = 16 << 10;

/// The plugin's own error. Runtimes take code 0 for a success, and print the texts to terminals and logs.
pub(super) fn error(plugin: &str, error: WitError) -> CniError {
    let (msg, details) = (readable(error.msg, MSG), readable(error.details, DETAILS));
    if error.code == 0 {
        return CniError::new(code::PLUGIN_FAILED, format!("plugin {plugin} failed with error code 0: {msg}"))
            .with_details(details);
    }
    CniError::new(error.code, msg).with_details(details)
}

/// Without control characters but line breaks and tabs, and not longer than this.
pub(super) fn readable(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" ...");
    }
    let controls = |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{2028}'..='\u{202e}');
    if text.contains(controls) {
        return text.replace(controls, "\u{fffd}");
    }
    text
}

/// Refuse a result whose addresses lie on interfaces that it does not have. Addresses that the result of the plugin before
/// has in the same way are not this plugin's fault.
pub(super) fn check_result(result: &AddResult, previous: Option<&AddResult>) -> Result<(), String> {
    for ip in &result.ips {
        let is_old = || previous.is_some_and(|previous| previous.ips.contains(ip));
        if let Some(index) = ip.interface
            && index >= result.interfaces.len()
            && !is_old()
        {
            let (address, count) = (&ip.address, result.interfaces.len());
            return Err(format!("address {address} is on interface {index}, and there are {count} interfaces"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use cni_spec::version::LATEST;
    use serde_json::json;

    use super::*;

    fn given(code: u32, msg: &str) -> CniError {
        error("p", WitError { code, msg: msg.to_owned(), details: String::new() })
    }

    #[test]
    fn an_error_is_an_error_and_can_be_printed() {
        assert_eq!(given(11, "try\nagain\tlater").msg, "try\nagain\tlater");
        assert_eq!(given(11, "\u{1b}[2J\r\0\u{85}\u{202e}x").msg, "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}x");
        let zero = given(0, "");
        assert!(zero.code == code::PLUGIN_FAILED && zero.msg.contains("plugin p"));
        let long = given(11, &"ä".repeat(MSG)).msg;
        assert!(long.len() <= MSG + 4 && long.ends_with("ä ..."));
    }

    #[test]
    fn addresses_are_on_interfaces_that_are_there() {
        let result = |index: usize| {
            let value = json!({
                "cniVersion": "1.1.0", "interfaces": [{"name": "eth0"}],
                "ips": [{"address": "10.0.0.2/24", "interface": index}],
            });
            AddResult::from_json(&value, LATEST).unwrap()
        };
        assert_eq!(check_result(&result(0), None), Ok(()));
        assert!(check_result(&result(1), None).unwrap_err().contains("10.0.0.2/24 is on interface 1"));
        assert_eq!(check_result(&result(1), Some(&result(1))), Ok(()));
        assert!(check_result(&result(2), Some(&result(1))).is_err());
    }
}
