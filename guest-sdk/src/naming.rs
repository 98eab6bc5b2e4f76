//! Names and comments that the reference plugins derive from network, container and interface. They are state shared with
//! those plugins, so they must not change.

use sha2::{Digest, Sha512};

/// Length of an iptables chain name made by [`chain_name`].
pub const CHAIN_NAME_LENGTH: usize = 28;

/// The first hexadecimal digits of the SHA-512 of a text: at most 128.
pub fn hash(text: &str, digits: usize) -> String {
    let digest = Sha512::digest(text.as_bytes());
    let mut hexadecimal = String::with_capacity(digits);
    for byte in digest {
        for digit in [byte >> 4, byte & 15] {
            if hexadecimal.len() < digits {
                hexadecimal.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
    }
    hexadecimal
}

/// The iptables chain of one container in one network: `CNI-`, a prefix (empty, or `DN-` as portmap has it), and as many
/// digits of a hash as make 28 characters.
pub fn chain_name(prefix: &str, network: &str, container_id: &str) -> String {
    let start = format!("CNI-{prefix}");
    let digits = CHAIN_NAME_LENGTH.saturating_sub(start.len());
    format!("{start}{}", hash(&format!("{network}{container_id}"), digits))
}

/// The iptables comment of one container in one network: `name: "net" id: "c1"`.
pub fn comment(network: &str, container_id: &str) -> String {
    format!("{}{container_id}\"", comment_start(network))
}

/// What [`comment`] begins with for any container of a network.
pub fn comment_start(network: &str) -> String {
    format!("name: \"{network}\" id: \"")
}

/// The container ID of a [`comment`] of this network.
pub fn container_of_comment<'a>(comment: &'a str, network: &str) -> Option<&'a str> {
    comment.strip_prefix(&comment_start(network))?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_names_are_those_of_the_reference_plugins() {
        // printf 'test1234' | sha512sum
        assert_eq!(chain_name("", "test", "1234"), "CNI-2bbe0c48b91a7d1b8a6753a8");
        assert_eq!(chain_name("DN-", "test", "1234").len(), CHAIN_NAME_LENGTH);
    }

    #[test]
    fn comments_give_back_their_container() {
        assert_eq!(comment("net", "c1"), "name: \"net\" id: \"c1\"");
        assert_eq!(container_of_comment(&comment("net", "c1"), "net"), Some("c1"));
        assert_eq!(container_of_comment(&comment("net2", "c1"), "net"), None);
    }
}
