//! What must come of a payload.

use anyhow::{Result, ensure};
use weir_tests::CniError;

use crate::lab::Lab;

/// Codes by which the guest tells how its attempts ended (`tests/guests/hostile/src/call.rs`).
const DENIED: i64 = 101;
const INVALID: i64 = 107;
const REFUSED: i64 = 120;
/// Weir's own: the plugin had to be stopped, or answered nonsense.
const FAILED: i64 = 102;

impl Lab<'_> {
    /// ADD fails with a code and these words, and changes nothing.
    pub fn fails_with(&self, codes: &[i64], words: &[&str]) -> Result<()> {
        says(&self.add_fails()?, codes, words)
    }

    /// Every attempt was denied for lack of a grant; the error names these objects.
    pub fn denied(&self, words: &[&str]) -> Result<()> {
        let error = self.add_fails()?;
        says(&error, &[DENIED], words)?;
        let text = format!("{} {}", error.msg, error.details);
        ensure!(text.contains("grant"), "it does not say which grant is missing: {error:?}");
        Ok(())
    }

    /// Every attempt was refused as nonsense, or denied.
    pub fn refused(&self, words: &[&str]) -> Result<()> {
        self.fails_with(&[DENIED, INVALID, REFUSED], words)
    }

    /// The host had to stop the plugin, and says why.
    pub fn stopped(&self, words: &[&str]) -> Result<()> {
        self.fails_with(&[FAILED], words)
    }

    /// The same in another command.
    pub fn stopped_in(&self, command: &str, words: &[&str]) -> Result<()> {
        says(&self.fails(command)?, &[FAILED], words)
    }

    /// ADD succeeds, and has changed nothing.
    pub fn harmless(&self) -> Result<()> {
        let result = self.call("ADD")?.ok()?;
        let text = result.to_string();
        ensure!(!text.contains("breach"), "the attack worked: {text}");
        self.unchanged()
    }
}

/// The error has one of the codes and all of the words.
pub fn says(error: &CniError, codes: &[i64], words: &[&str]) -> Result<()> {
    ensure!(codes.contains(&error.code), "the code is none of {codes:?}: {error:?}");
    let text = format!("{} {}", error.msg, error.details);
    for word in words {
        ensure!(text.contains(word), "it does not say {word:?}: {error:?}");
    }
    Ok(())
}
