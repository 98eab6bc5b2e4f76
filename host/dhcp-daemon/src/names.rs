//! Domain names that a server sends: the search list of RFC 3397.

/// Longest name, and with it the most labels and jumps that one can have.
const LONGEST: usize = 255;

/// Read a search list; what comes after the first fault is passed over.
pub(crate) fn search_list(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let Some((name, next)) = name_at(bytes, start) else { break };
        if !name.is_empty() {
            names.push(name);
        }
        start = next;
    }
    names
}

/// The name that begins at a place, and where the next one begins. Parts of it may be elsewhere (RFC 1035, 4.1.4).
fn name_at(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut place = start;
    let mut next = None;
    for _ in 0..LONGEST {
        let length = *bytes.get(place)?;
        place = place.checked_add(1)?;
        match length {
            0 => return Some((printable(&name), next.unwrap_or(place))),
            1..=63 => {
                let end = place.checked_add(length.into())?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&String::from_utf8_lossy(bytes.get(place..end)?));
                place = end;
            }
            // A pointer: 14 bits.
            192.. => {
                let low = *bytes.get(place)?;
                next.get_or_insert(place.checked_add(1)?);
                place = usize::from(length & 0x3f) << 8 | usize::from(low);
            }
            _ => return None,
        }
        if name.len() > LONGEST {
            return None;
        }
    }
    None
}

/// Without what has no place in a resolv.conf(5): white space and control characters, which could begin a new line there.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() && !letter.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pointers_are_read() {
        // The example of RFC 3397, section 2.
        let bytes = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04";
        assert_eq!(search_list(bytes), ["eng.apple.com", "marketing.apple.com"]);
    }

    #[test]
    fn faults_end_the_list_without_harm() {
        for bytes in [&b"\xc0\x00"[..], b"\x05ab", b"\x40a", b"\xc0", b"\x01a\xc0\x00", b"\xc0\x09"] {
            assert!(search_list(bytes).is_empty(), "{bytes:?}");
        }
        assert_eq!(search_list(b"\x01a\x00\x05ab"), ["a"]);
        assert_eq!(search_list(b"\x03a\nb\x00"), ["ab"]);
    }
}
