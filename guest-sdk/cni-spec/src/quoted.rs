//! Texts of users in messages.

use std::fmt::{self, Write};

/// A text between quotes on one line. As `{:?}`, but without the tables of Unicode that plugins would have to carry.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(letter)?;
                }
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_control() => write!(f, "\\u{{{:x}}}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_on_one_line_and_ends_where_it_ends() {
        for text in ["", "eth0", "a \"b\" \\", "tab\tand\nline", "\u{1b}[31m", "\u{7f}\u{9b}", "f\u{fc}r"] {
            assert_eq!(Quoted(text).to_string(), format!("{text:?}"));
        }
    }
}
