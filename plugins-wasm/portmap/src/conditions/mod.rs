//! Conditions in the words of nft(8), turned into parts of a rule: the matches that port mappings need, no more.
//!
//! What is understood: `ip`/`ip6 saddr|daddr`, `tcp`/`udp`/`sctp`/`th sport|dport`, `ip protocol`, `iifname`, `oifname`,
//! `mark`, `l4proto`, `nfproto` (each also after `meta`), `ct state`, `ct status`, `ether saddr|daddr` and
//! `fib daddr type`; each with `==`, `!=` or nothing, and with a value, a prefix, a range, a list or a set of them.

mod value;

use weir_sdk::net::IpFamily;
use weir_sdk::net::nftables::{Comparison, Field, FieldMatch, Statement, Value};
use weir_sdk::{Error, Result};

/// Transport protocols by the name of their header.
const PORT_HEADERS: [(&str, Option<u32>); 4] = [("tcp", Some(6)), ("udp", Some(17)), ("sctp", Some(132)), ("th", None)];

/// Parse the conditions of a family. An error names the word that was not understood.
pub(crate) fn parse(conditions: &[String], family: IpFamily) -> Result<Vec<Statement>> {
    let tokens: Vec<String> = conditions.iter().flat_map(|text| tokens(text)).collect();
    let mut parser = Parser { rest: &tokens, family };
    let mut statements = Vec::new();
    while !parser.rest.is_empty() {
        parser.condition(&mut statements)?;
    }
    Ok(statements)
}

fn refuse(family: IpFamily, word: &str, why: &str) -> Error {
    let key = match family {
        IpFamily::Ipv4 => "conditionsV4",
        IpFamily::Ipv6 => "conditionsV6",
    };
    Error::invalid_config(format!("{key}: {word:?} {why}"))
        .with_details("the backend nftables takes matches in the words of nft(8); see the reference of portmap")
}

/// Words, with braces, commas and comparisons as words of their own.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let alone = match character {
            '"' => {
                quoted = !quoted;
                continue;
            }
            _ if quoted => None,
            '!' | '=' if characters.next_if_eq(&'=').is_some() => Some(format!("{character}=")),
            '{' | '}' | ',' | '&' | '!' => Some(character.to_string()),
            space if space.is_whitespace() => Some(String::new()),
            _ => None,
        };
        match alone {
            Some(alone) => {
                let word = std::mem::take(&mut word);
                tokens.extend([word, alone].into_iter().filter(|token| !token.is_empty()));
            }
            None => word.push(character),
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

struct Parser<'a> {
    rest: &'a [String],
    family: IpFamily,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a str {
        self.rest.first().map(String::as_str).unwrap_or_default()
    }

    fn next(&mut self, after: &str) -> Result<&'a str> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(refuse(self.family, after, "is not complete: something must follow"));
        };
        self.rest = rest;
        Ok(first)
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let taken = words.contains(&self.peek());
        if taken {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        taken
    }

    /// One match: what to look at, how to compare, with what.
    fn condition(&mut self, statements: &mut Vec<Statement>) -> Result<()> {
        let (field, implied) = self.field()?;
        statements.extend(implied);
        let mask = if self.take(&["&", "and"]) { Some(self.mask(field)?) } else { None };
        let comparison = match () {
            () if self.take(&["!=", "ne", "!"]) => Comparison::NotEqual,
            () => {
                self.take(&["==", "eq"]);
                Comparison::Equal
            }
        };
        let mut values = self.values(field)?;
        if let Some(mask) = mask {
            let [Value::Number(number)] = values.as_slice() else {
                return Err(refuse(self.family, "&", "needs a single number to compare with"));
            };
            values = vec![Value::Masked((mask, *number))];
        }
        statements.push(Statement::MatchField(FieldMatch { field, comparison, values }));
        Ok(())
    }

    /// What to look at, and the match that it implies.
    fn field(&mut self) -> Result<(Field, Option<Statement>)> {
        let first = self.next("")?;
        if let Some((_, protocol)) = PORT_HEADERS.iter().find(|(name, _)| *name == first) {
            let field = match self.next(first)? {
                "sport" => Field::SourcePort,
                "dport" => Field::DestinationPort,
                other => return Err(self.unknown(other)),
            };
            return Ok((field, protocol.map(is_protocol)));
        }
        let meta = if first == "meta" { self.next(first)? } else { first };
        let field = match meta {
            "iifname" => Field::InputInterface,
            "oifname" => Field::OutputInterface,
            "mark" => Field::Mark,
            "l4proto" => Field::TransportProtocol,
            "nfproto" => Field::NetworkProtocol,
            other if first == "meta" => return Err(self.unknown(other)),
            _ => return Ok((self.header_field(first)?, None)),
        };
        Ok((field, None))
    }

    fn header_field(&mut self, first: &'a str) -> Result<Field> {
        let known = ["ip", "ip6", "ether", "ct", "fib"].contains(&first);
        if !known {
            return Err(self.unknown(first));
        }
        let second = self.next(first)?;
        Ok(match (first, second, self.family) {
            ("ip", "saddr", IpFamily::Ipv4) => Field::IpSource,
            ("ip", "daddr", IpFamily::Ipv4) => Field::IpDestination,
            ("ip", "protocol", IpFamily::Ipv4) => Field::TransportProtocol,
            ("ip6", "saddr", IpFamily::Ipv6) => Field::Ip6Source,
            ("ip6", "daddr", IpFamily::Ipv6) => Field::Ip6Destination,
            ("ip" | "ip6", _, _) if ["ip", "ip6"].contains(&first) && self.is_other_family(first) => {
                return Err(refuse(self.family, first, "is of the other family: put it under the other key"));
            }
            ("ether", "saddr", _) => Field::EtherSource,
            ("ether", "daddr", _) => Field::EtherDestination,
            ("ct", "state", _) => Field::ConnectionState,
            ("ct", "status", _) => Field::ConnectionStatus,
            ("fib", "daddr", _) if self.take(&["type"]) => Field::DestinationAddressType,
            (_, other, _) => return Err(self.unknown(other)),
        })
    }

    fn is_other_family(&self, header: &str) -> bool {
        (header == "ip6") == (self.family == IpFamily::Ipv4)
    }

    fn unknown(&self, word: &str) -> Error {
        refuse(self.family, word, "is not understood")
    }

    fn mask(&mut self, field: Field) -> Result<u32> {
        let word = self.next("&")?;
        match value::value(field, word) {
            Some(Value::Number(mask)) => Ok(mask),
            _ => Err(refuse(self.family, word, "is no mask")),
        }
    }

    /// One value, a list, or a set in braces.
    fn values(&mut self, field: Field) -> Result<Vec<Value>> {
        let bits = matches!(field, Field::ConnectionState | Field::ConnectionStatus);
        let mut values = Vec::new();
        if self.take(&["{"]) {
            while !self.take(&["}"]) {
                values.push(self.value(field)?);
                if !self.take(&[","]) && self.peek() != "}" {
                    let word = self.next("{")?;
                    return Err(refuse(self.family, word, "is not understood in a set: a comma must part its values"));
                }
            }
            if values.is_empty() {
                return Err(refuse(self.family, "{}", "is an empty set"));
            }
            return Ok(values);
        }
        values.push(self.value(field)?);
        while self.take(&[","]) {
            if !bits {
                return Err(refuse(self.family, ",", "parts values that are not in a set: put braces round them"));
            }
            values.push(self.value(field)?);
        }
        if bits {
            let all = values.iter().fold(0, |all, value| match value {
                Value::Number(bit) => all | bit,
                _ => all,
            });
            return Ok(vec![Value::AnyBit(all)]);
        }
        Ok(values)
    }

    fn value(&mut self, field: Field) -> Result<Value> {
        let word = self.next("a match")?;
        value::value(field, word)
            .ok_or_else(|| refuse(self.family, word, &format!("is not understood as {}", value::describe(field))))
    }
}

fn is_protocol(number: u32) -> Statement {
    let values = vec![Value::Number(number)];
    Statement::MatchField(FieldMatch { field: Field::TransportProtocol, comparison: Comparison::Equal, values })
}

#[cfg(test)]
mod tests;
