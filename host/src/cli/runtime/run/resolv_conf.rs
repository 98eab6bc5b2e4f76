//! The resolv.conf(5) of a command, of what its networks say.

use cni_spec::result::Dns;

/// The text; none where the networks say nothing. Name servers, search domains and options of all; the first domain.
pub(super) fn text<'a>(settings: impl IntoIterator<Item = &'a Dns>) -> Option<String> {
    let (mut servers, mut domain, mut search, mut options) = (Vec::new(), None, Vec::new(), Vec::new());
    for dns in settings {
        servers.extend(&dns.nameservers);
        search.extend(&dns.search);
        options.extend(&dns.options);
        domain = domain.or_else(|| Some(&dns.domain).filter(|domain| !domain.is_empty()));
    }
    let mut text = String::new();
    // The last of both lines counts, and a list of domains says more than one.
    if let Some(domain) = domain {
        line(&mut text, "domain", &[domain]);
    }
    line(&mut text, "search", &search);
    for server in servers {
        line(&mut text, "nameserver", &[server]);
    }
    line(&mut text, "options", &options);
    (!text.is_empty()).then_some(text)
}

/// A line of words. What is no word (it has spaces or line breaks, and could bring lines of its own) is left out.
fn line(text: &mut String, keyword: &str, words: &[&String]) {
    let is_word = |word: &&&String| !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.iter().filter(is_word).map(|word| word.as_str()).collect();
    if !words.is_empty() {
        text.push_str(&format!("{keyword} {}\n", words.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_settings_of_all_networks_are_joined() {
        let first = Dns { nameservers: words(&["10.0.0.1", "fd00::1"]), ..Dns::default() };
        let second = Dns {
            nameservers: words(&["10.0.0.2"]),
            domain: "a.example".into(),
            search: words(&["b.example", "c.example"]),
            options: words(&["ndots:2"]),
        };
        assert_eq!(
            text([&first, &second]).as_deref(),
            Some(
                "domain a.example\nsearch b.example c.example\nnameserver 10.0.0.1\nnameserver fd00::1\nnameserver 10.0.0.2\noptions ndots:2\n"
            )
        );
        assert_eq!(text([&Dns::default()]), None);
        assert_eq!(text([]), None);
    }

    #[test]
    fn a_word_brings_no_line_of_its_own() {
        let dns =
            Dns { nameservers: words(&["1.1.1.1\nnameserver 6.6.6.6", ""]), domain: "a b".into(), ..Dns::default() };
        assert_eq!(text([&dns]), None);
    }
}
