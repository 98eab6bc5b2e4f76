//! Reads files of `KEY=value` lines, as other services write them for plugins.

use std::path::Path;

use crate::{Result, small_file};

/// Larger files are refused; a real one holds a few lines.
const LIMIT: u64 = 64 << 10;

/// The assignments of a file, in order. What is no assignment is passed over.
pub fn load(path: &Path) -> Result<Vec<(String, String)>> {
    let doing = || format!("read {}", path.display());
    Ok(small_file::read(path, LIMIT, &doing)?.lines().filter_map(assignment).collect())
}

pub(crate) fn assignment(line: &str) -> Option<(String, String)> {
    let (key, value) = line.trim().split_once('=')?;
    let starts_well = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = starts_well && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let value = value.trim();
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    is_name.then(|| (key.to_owned(), value.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn assignments_are_read_in_order_and_the_rest_is_passed_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# comment\n\nA=1\r\n  B_2 = no name\nno assignment\n=x\n2=x\nC=a=b\nD=\"q, r\"\nE='s'\nF=\nA=2 ";
        std::fs::write(file.path(), text).unwrap();
        let pairs = load(file.path()).unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("C", "a=b"), ("D", "q, r"), ("E", "s"), ("F", ""), ("A", "2")]);
    }

    #[test]
    fn what_is_no_small_regular_file_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(load(&temp.path().join("none")).unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(load(temp.path()).unwrap_err().kind, ErrorKind::Invalid);
        let pipe = temp.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(load(&pipe).unwrap_err().kind, ErrorKind::Invalid, "and nobody waits for a writer");
        let large = temp.path().join("large");
        std::fs::write(&large, "A=1\n".repeat(20_000)).unwrap();
        assert_eq!(load(&large).unwrap_err().kind, ErrorKind::Invalid);
        std::fs::write(&large, "A=1\n".repeat(16_384)).unwrap();
        assert_eq!(load(&large).unwrap().len(), 16_384);
    }
}
