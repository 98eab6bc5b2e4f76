//! Words for whoever started the program, on standard output and standard error.
//!
//! Nobody may be there to read them: `println!` and `eprintln!` would panic then, and a command that changes something end
//! halfway. Each line is one write, so that lines of several processes do not mix.

use std::fmt::Display;
use std::io::{self, Write};

/// A line on standard output, about what was done. What a command is for is printed with an eye on errors instead.
pub fn out(line: impl Display) {
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// A line on standard error.
pub fn err(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Text on standard error that ends without a new line, or with one of its own.
pub fn err_part(text: impl Display) {
    let _ = io::stderr().write_all(format!("{text}").as_bytes());
}
