//! Reads resolv.conf(5) files, for plugins that hand DNS settings on.

use std::path::Path;

use crate::{Result, small_file};

/// Larger files are refused; a real one holds a few lines.
const LIMIT: u64 = 1 << 20;

/// What a resolv.conf(5) file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `nameserver` lines.
    pub nameservers: Vec<String>,
    /// `domain`; empty: none.
    pub domain: String,
    /// `search`.
    pub search: Vec<String>,
    /// `options`.
    pub options: Vec<String>,
}

/// Read a resolv.conf(5) file.
pub fn load(path: &Path) -> Result<Settings> {
    let doing = || format!("read DNS settings from {}", path.display());
    Ok(parse(&small_file::read(path, LIMIT, &doing)?))
}

pub(crate) fn parse(text: &str) -> Settings {
    let mut settings = Settings::default();
    for line in text.lines() {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(keyword) = words.next() else { continue };
        let mut values = words.map(str::to_owned).peekable();
        if values.peek().is_none() {
            continue;
        }
        match keyword {
            "nameserver" => settings.nameservers.extend(values.next()),
            "domain" => settings.domain = values.next().unwrap_or_default(),
            "search" => settings.search.extend(values),
            "options" => settings.options.extend(values),
            _ => {}
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn every_keyword_is_read_and_the_rest_is_passed_over() {
        let settings = parse(
            "# comment\n; comment\n\nnameserver 10.0.0.1\n nameserver 2001:db8::1 extra\ndomain a.example\n\
             search b.example c.example\nsearch d.example\noptions ndots:5 rotate\nsortlist 1.2.3.4\nnameserver\n",
        );
        assert_eq!(settings.nameservers, ["10.0.0.1", "2001:db8::1"]);
        assert_eq!(settings.domain, "a.example");
        assert_eq!(settings.search, ["b.example", "c.example", "d.example"]);
        assert_eq!(settings.options, ["ndots:5", "rotate"]);
    }

    #[test]
    fn a_missing_file_and_a_directory_are_refused_with_their_kind() {
        assert_eq!(load(Path::new("/nonexistent/resolv.conf")).map_err(|e| e.kind), Err(ErrorKind::NotFound));
        assert_eq!(load(Path::new("/")).map_err(|e| e.kind), Err(ErrorKind::Invalid));
    }
}
