//! Comments, as nft(8) keeps them in the user data of rules and elements: type, length, text with NUL.

use crate::{Error, ErrorKind, Result};

const COMMENT: u8 = 0;
/// Longest comment of nft(8), without the NUL.
const MAX: usize = 127;

/// The user data for a comment; none for an empty one.
pub(super) fn encode(comment: &str) -> Result<Option<Vec<u8>>> {
    if comment.is_empty() {
        return Ok(None);
    }
    let length =
        u8::try_from(comment.len() + 1).ok().filter(|_| comment.len() <= MAX && !comment.contains(char::is_control));
    let Some(length) = length else {
        let message =
            format!("nftables: the comment {comment:?} is longer than {MAX} bytes or holds a control character");
        return Err(Error::new(ErrorKind::Invalid, message));
    };
    let mut bytes = vec![COMMENT, length];
    bytes.extend_from_slice(comment.as_bytes());
    bytes.push(0);
    Ok(Some(bytes))
}

/// The comment in user data; empty where there is none.
pub(super) fn decode(user_data: &[u8]) -> String {
    let mut rest = user_data;
    while let [kind, length, tail @ ..] = rest {
        let Some((value, next)) = tail.split_at_checked(usize::from(*length)) else { break };
        if *kind == COMMENT {
            return crate::netfilter::attributes::text(value);
        }
        rest = next;
    }
    String::new()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_written_as_nft_writes_it() {
        assert_eq!(encode("hi").unwrap().unwrap(), b"\x00\x03hi\x00");
        assert_eq!(decode(b"\x00\x03hi\x00"), "hi");
        assert_eq!(decode(b"\x07\x01x\x00\x03hi\x00"), "hi");
        assert_eq!(decode(b"\x00\x30hi"), "");
    }

    #[test]
    fn the_longest_comment_has_127_bytes() {
        assert!(encode(&"x".repeat(127)).is_ok());
        assert!(encode(&"x".repeat(128)).is_err());
        assert!(encode("a\0b").is_err());
        // nft prints comments as they are.
        assert!(encode("a\n}").is_err());
    }
}
