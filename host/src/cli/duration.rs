//! Times on the command line.

use std::time::Duration;

/// Read a time as Go writes it: `10s`, `1m30s`, `1.5h`, `200ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("{text:?} is no time such as 10s, 1m30s or 200ms");
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fault)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return Err(fault()),
        };
        let number: f64 = number.parse().map_err(|_| fault())?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| fault())?;
        sum = sum.checked_add(part).ok_or_else(fault)?;
        rest = after;
    }
    if sum.is_zero() {
        return Err(format!("{text:?} is no time that anything could be done in"));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, milliseconds) in
            [("10s", 10_000), ("1m30s", 90_000), ("3m28s", 208_000), ("1.5h", 5_400_000), ("200ms", 200)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "10", "s", "10x", "-1s", "1..2s", "0s", "1s2", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
