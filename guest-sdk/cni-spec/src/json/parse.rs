//! Texts (RFC 8259) to trees. It accepts what `serde_json` accepts; the tests hold it against that.
//!
//! Own code, because every plugin carries it: numbers of `serde_json` bring the reading and printing of floating point
//! numbers with them, which is more than all else that a small plugin has.

use std::borrow::Cow;

use super::node::{Entry, MAX_DEPTH, Node};

/// Where reading stopped and why.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) reason: &'static str,
    /// From 1.
    pub(super) line: usize,
    /// In bytes, from 1; 0: before the first byte of the line.
    pub(super) column: usize,
}

/// Read a whole text.
pub(super) fn parse(text: &[u8]) -> Result<Node<'_>, SyntaxError> {
    let valid = std::str::from_utf8(text);
    let mut parser = Parser { text: valid.unwrap_or_default(), at: 0, depth: 0 };
    let result = match valid {
        Ok(_) => parser.document(),
        Err(error) => {
            parser.at = error.valid_up_to();
            Err("not valid UTF-8")
        }
    };
    result.map_err(|reason| {
        let before = text.get(..parser.at).unwrap_or(text);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        SyntaxError { reason, line, column }
    })
}

type Result<T, E = &'static str> = std::result::Result<T, E>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn document(&mut self) -> Result<Node<'a>> {
        let node = self.value()?;
        match self.next_token() {
            None => Ok(node),
            Some(_) => Err("trailing characters"),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Take one byte.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Take one byte after white space.
    fn next_token(&mut self) -> Option<u8> {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.next()
    }

    /// Pass over all bytes of a kind. Returns how many there were.
    fn skip(&mut self, kind: fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(kind) {
            self.at += 1;
        }
        self.at - start
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn value(&mut self) -> Result<Node<'a>> {
        match self.next_token() {
            None => Err("EOF while parsing a value"),
            Some(b'n') => self.word("ull", Node::Null),
            Some(b't') => self.word("rue", Node::Bool(true)),
            Some(b'f') => self.word("alse", Node::Bool(false)),
            Some(b'"') => self.string().map(Node::Text),
            Some(b'[') => self.nested(Self::array),
            Some(b'{') => self.nested(Self::object),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err("expected value"),
        }
    }

    fn word(&mut self, rest: &str, node: Node<'a>) -> Result<Node<'a>> {
        for byte in rest.bytes() {
            if self.next() != Some(byte) {
                return Err("expected ident");
            }
        }
        Ok(node)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Node<'a>>) -> Result<Node<'a>> {
        if self.depth >= MAX_DEPTH {
            return Err("recursion limit exceeded");
        }
        self.depth += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    fn array(&mut self) -> Result<Node<'a>> {
        let mut items = Vec::new();
        if self.next_token() == Some(b']') {
            return Ok(Node::Array(items));
        }
        self.at -= 1;
        loop {
            items.push(self.value()?);
            match self.next_token() {
                Some(b',') => {}
                Some(b']') => return Ok(Node::Array(items)),
                Some(_) => return Err("expected `,` or `]`"),
                None => return Err("EOF while parsing a list"),
            }
        }
    }

    fn object(&mut self) -> Result<Node<'a>> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut token = self.next_token();
        if token == Some(b'}') {
            return Ok(Node::Object(entries));
        }
        loop {
            match token {
                Some(b'"') => {}
                Some(_) => return Err("key must be a string"),
                None => return Err("EOF while parsing an object"),
            }
            let key = self.string()?;
            if self.next_token() != Some(b':') {
                return Err("expected `:`");
            }
            entries.push((key, self.value()?));
            match self.next_token() {
                Some(b',') => token = self.next_token(),
                Some(b'}') => return Ok(Node::Object(entries)),
                Some(_) => return Err("expected `,` or `}`"),
                None => return Err("EOF while parsing an object"),
            }
        }
    }

    /// The first byte has been taken.
    fn number(&mut self) -> Result<Node<'a>> {
        self.at -= 1;
        let start = self.at;
        let digit = |byte: u8| byte.is_ascii_digit();
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.skip(digit);
        let mut valid = digits != 0 && !(leading_zero && digits > 1);
        if self.peek() == Some(b'.') {
            self.at += 1;
            valid &= self.skip(digit) != 0;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            valid &= self.skip(digit) != 0;
        }
        if valid { Ok(Node::Number(self.since(start).into())) } else { Err("invalid number") }
    }

    /// The quote has been taken.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let mut unescaped = String::new();
        loop {
            let start = self.at;
            self.skip(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20));
            let plain = self.since(start);
            match self.next() {
                Some(b'"') if unescaped.is_empty() => return Ok(plain.into()),
                Some(b'"') => {
                    unescaped.push_str(plain);
                    return Ok(unescaped.into());
                }
                Some(b'\\') => {
                    unescaped.push_str(plain);
                    unescaped.push(self.escape()?);
                }
                Some(_) => return Err("control character (\\u0000-\\u001F) found while parsing a string"),
                None => return Err("EOF while parsing a string"),
            }
        }
    }

    /// The backslash has been taken.
    fn escape(&mut self) -> Result<char> {
        Ok(match self.next() {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.code_point()?,
            Some(_) => return Err("invalid escape"),
            None => return Err("EOF while parsing a string"),
        })
    }

    /// `\u` has been taken. Characters beyond 16 bits are written as two surrogates.
    fn code_point(&mut self) -> Result<char> {
        let mut code = self.four_digits()?;
        if let 0xd800..0xdc00 = code {
            let follows = self.next() == Some(b'\\') && self.next() == Some(b'u');
            let low = if follows { self.four_digits()?.wrapping_sub(0xdc00) } else { u32::MAX };
            if low >= 0x400 {
                return Err("lone leading surrogate in hex escape");
            }
            code = 0x1_0000 + ((code - 0xd800) << 10) + low;
        }
        char::from_u32(code).ok_or("invalid unicode code point")
    }

    fn four_digits(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or("invalid escape")?;
            code = code << 4 | digit;
        }
        Ok(code)
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
