//! Which line of a JSON document says what: parsers forget it, and operators want to look it up.

/// A scalar value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Keys on the way to it. Elements of lists have none of their own.
    pub(super) path: Vec<String>,
    /// The text of a string, or any other scalar as it is written.
    pub(super) value: String,
    /// Its line, from 1.
    pub(super) line: usize,
}

/// All scalar values of a valid document. Of an invalid one, those up to the fault.
pub(super) fn places(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let mut path: Vec<String> = Vec::new();
    // For each open container, whether it is an object. The last part of the path is the key that was read last.
    let mut open: Vec<bool> = Vec::new();
    let mut expects_key = false;
    let mut line = 1_usize;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '\n' => line = line.saturating_add(1),
            '{' => {
                open.push(true);
                expects_key = true;
            }
            '[' => open.push(false),
            '}' | ']' => {
                open.pop();
                // The value of a key ends with its container.
                if open.last() == Some(&true) {
                    path.pop();
                }
                expects_key = false;
            }
            ',' => expects_key = open.last() == Some(&true),
            ':' => expects_key = false,
            c if c.is_whitespace() => {}
            _ => {
                length = if c == '"' {
                    string_length(rest)
                } else {
                    rest.find([',', ']', '}', '\n', ' ', '\r']).unwrap_or(rest.len())
                };
                let Some(token) = rest.get(..length) else { break };
                let value = serde_json::from_str(token).unwrap_or_else(|_| token.to_owned());
                if expects_key {
                    path.push(value);
                } else {
                    places.push(Place { path: path.clone(), value, line });
                    if open.last() == Some(&true) {
                        path.pop();
                    }
                }
            }
        }
        let Some(after) = rest.get(length.max(1)..) else { break };
        rest = after;
    }
    places
}

/// Bytes from a quotation mark to the one that ends the string.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_path_and_its_line() {
        let text = "{\n \"a\": {\"b\": [\"x\",\n \"}\\\"{\"], \"c\": 5},\n\"d\": [], \"e\": {},\n\n \"f\": [{\"g\": true}, null],\n\"h\": \"i\"}\n";
        let found: Vec<(String, String, usize)> =
            places(text).into_iter().map(|place| (place.path.join("."), place.value, place.line)).collect();
        let expected =
            [("a.b", "x", 2), ("a.b", "}\"{", 3), ("a.c", "5", 3), ("f.g", "true", 6), ("f", "null", 6), ("h", "i", 7)];
        let expected: Vec<_> = expected.iter().map(|&(path, value, line)| (path.into(), value.into(), line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_documents_end_the_search() {
        for text in ["", "{", "\"", "{\"a\": \"\\", "]]]}", "{\"é\": [\"ü", ",,,:", "{\"a\"}"] {
            let _ = places(text);
        }
    }
}
