//! The text that iptables-save prints and iptables-restore reads.

use super::{Chain, Command, Rule};
use crate::{Error, ErrorKind, Result};

/// The input's first line names the table; commands follow.
pub(super) const FIRST_COMMAND_LINE: usize = 2;
/// Limits of the programs.
const WORD_MAX: usize = 1023;
const LINE_MAX: usize = 10_000;
const CHAIN_MAX: usize = 28;

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::new(ErrorKind::Invalid, format!("iptables: {message}")))
}

/// One of the tables that iptables has.
pub(super) fn check_table(table: &str) -> Result<()> {
    if matches!(table, "nat" | "filter" | "mangle" | "raw" | "security") {
        return Ok(());
    }
    invalid(format!("{table:?} is no table: there are nat, filter, mangle, raw and security"))
}

fn check_chain(chain: &str) -> Result<()> {
    let fits = (1..=CHAIN_MAX).contains(&chain.len());
    let plain = chain.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte));
    if fits && plain && !chain.starts_with(['-', '!', ':', '#', '*']) {
        return Ok(());
    }
    invalid(format!("{chain:?} is no name for a chain: it must have 1 to {CHAIN_MAX} plain characters"))
}

/// A word so that iptables-restore reads it as one word.
fn quoted(word: &str) -> Result<String> {
    if word.len() > WORD_MAX || word.contains(['\n', '\r', '\0']) {
        return invalid(format!("the word {word:?} is longer than {WORD_MAX} bytes or holds a line break or NUL"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,@%+=!&^".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return Ok(word.to_owned());
    }
    Ok(format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn rule_line(verb: &str, rule: &Rule) -> Result<String> {
    check_chain(&rule.chain)?;
    let mut line = format!("{verb} {}", rule.chain);
    for word in &rule.words {
        line.push(' ');
        line.push_str(&quoted(word)?);
    }
    if line.len() > LINE_MAX {
        return invalid(format!("a rule of chain {:?} is longer than {LINE_MAX} bytes", rule.chain));
    }
    Ok(line)
}

/// The input for iptables-restore: one command on each line.
pub(super) fn restore_input(table: &str, commands: &[Command]) -> Result<String> {
    check_table(table)?;
    let mut input = format!("*{table}\n");
    for command in commands {
        let line = match command {
            Command::CreateOrFlushChain(chain) => {
                check_chain(chain)?;
                format!(":{chain} - [0:0]")
            }
            Command::CreateChain(chain) => {
                check_chain(chain)?;
                format!("-N {chain}")
            }
            Command::Append(rule) => rule_line("-A", rule)?,
            Command::Prepend(rule) => rule_line("-I", rule)?,
            Command::Delete(rule) => rule_line("-D", rule)?,
            Command::DeleteChain(chain) => {
                check_chain(chain)?;
                format!("-X {chain}")
            }
        };
        input.push_str(&line);
        input.push('\n');
    }
    input.push_str("COMMIT\n");
    Ok(input)
}

/// A command in words, for errors.
pub(super) fn describe(command: &Command) -> String {
    match command {
        Command::CreateOrFlushChain(chain) => format!("create or empty chain {chain:?}"),
        Command::CreateChain(chain) => format!("create chain {chain:?}"),
        Command::Append(rule) => format!("append to chain {:?} the rule {:?}", rule.chain, rule.words.join(" ")),
        Command::Prepend(rule) => format!("prepend to chain {:?} the rule {:?}", rule.chain, rule.words.join(" ")),
        Command::Delete(rule) => format!("delete from chain {:?} the rule {:?}", rule.chain, rule.words.join(" ")),
        Command::DeleteChain(chain) => format!("delete chain {chain:?}"),
    }
}

/// Chains with their rules, from what iptables-save printed for one table.
pub(super) fn parse_save(printed: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    // Rules of a chain follow each other, so the last chain found is nearly always the next one wanted.
    let mut last = 0;
    for line in printed.lines() {
        if let Some(chain) = line.strip_prefix(':') {
            let name = chain.split(' ').next().unwrap_or(chain).to_owned();
            chains.push(Chain { name, rules: Vec::new() });
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let mut words = words(rule).into_iter();
            let Some(name) = words.next() else { continue };
            if chains.get(last).is_none_or(|chain| chain.name != name) {
                last = chains.iter().position(|chain| chain.name == name).unwrap_or(chains.len());
            }
            if let Some(chain) = chains.get_mut(last) {
                chain.rules.push(Rule { chain: name, words: words.collect() });
            }
        }
    }
    chains
}

/// The words of a line. Quotes keep spaces together; inside them a backslash keeps the next character as it is.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut inside = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                inside = !inside;
                word.get_or_insert_default();
            }
            '\\' if inside => word.get_or_insert_default().extend(characters.next()),
            ' ' | '\t' if !inside => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    fn rule(words: &[&str]) -> Rule {
        Rule { chain: "C".into(), words: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_words() {
        let all = ["-p", "tcp", "a b", "", "q\"uote", "back\\slash", "it's $x `y` #z", "tab\there", "é"];
        let input = restore_input("nat", &[Command::Append(rule(&all))]).unwrap();
        let mut lines = input.lines();
        assert_eq!(lines.next(), Some("*nat"));
        assert_eq!(words(lines.next().unwrap().strip_prefix("-A C ").unwrap()), all);
        assert_eq!(lines.next(), Some("COMMIT"));
    }

    #[test]
    fn saved_chains_hold_their_rules_in_order() {
        let printed = "# comment\n*nat\n:PREROUTING ACCEPT [0:0]\n:C - [0:0]\n-A PREROUTING -j C\n\
            -A C -m comment --comment \"dnat name: \\\"x\\\" id: \\\"y\\\"\" -j RETURN\nCOMMIT\n";
        let chains = parse_save(printed);
        assert_eq!(chains.len(), 2);
        assert_eq!(chains[0].rules[0].words, ["-j", "C"]);
        assert_eq!(
            chains[1].rules,
            [rule(&["-m", "comment", "--comment", "dnat name: \"x\" id: \"y\"", "-j", "RETURN"])]
        );
    }

    #[test]
    fn a_word_cannot_end_its_line() {
        for bad in ["a\nCOMMIT", "a\rb", "a\0b", &"x".repeat(1024)] {
            let error = restore_input("nat", &[Command::Append(rule(&[bad]))]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
        }
        for bad in ["", "a b", "-x", "a\nb", "x\"", &"x".repeat(29)] {
            let error = restore_input("nat", &[Command::CreateOrFlushChain(bad.to_owned())]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
        }
        assert_eq!(restore_input("nat\n*filter", &[]).unwrap_err().kind, ErrorKind::Invalid);
    }
}
