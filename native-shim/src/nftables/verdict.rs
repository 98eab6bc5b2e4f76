//! Verdicts as the kernel writes them, in rules and in maps.

use super::types::Verdict;
use crate::netfilter::attributes::{Attributes, Reader, number, text};

const DATA_VERDICT: u16 = 2;
const CODE: u16 = 1;
const CHAIN: u16 = 2;

const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;
const GOTO: i32 = -4;
const RETURN: i32 = -5;

/// The datum for a verdict.
pub(super) fn encode(verdict: &Verdict) -> Attributes {
    let (code, chain) = match verdict {
        Verdict::Accept => (ACCEPT, None),
        Verdict::Drop => (DROP, None),
        Verdict::Return => (RETURN, None),
        Verdict::Jump(chain) => (JUMP, Some(chain)),
        Verdict::Goto(chain) => (GOTO, Some(chain)),
    };
    let mut datum = Attributes::new();
    datum.nested(DATA_VERDICT, |verdict| {
        verdict.number(CODE, code.cast_unsigned());
        if let Some(chain) = chain {
            verdict.text(CHAIN, chain);
        }
    });
    datum
}

/// The verdict in a datum; none where it is of another sort.
pub(super) fn decode(datum: &[u8]) -> Option<Verdict> {
    let verdict = Reader::find(datum, DATA_VERDICT)?;
    let chain = Reader::find(verdict, CHAIN).map(text);
    match Reader::find(verdict, CODE).and_then(number)?.cast_signed() {
        ACCEPT => Some(Verdict::Accept),
        DROP => Some(Verdict::Drop),
        RETURN => Some(Verdict::Return),
        JUMP => chain.map(Verdict::Jump),
        GOTO => chain.map(Verdict::Goto),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn verdicts_survive_the_way_there_and_back() {
        for verdict in
            [Verdict::Accept, Verdict::Drop, Verdict::Return, Verdict::Jump("a".into()), Verdict::Goto("b".into())]
        {
            assert_eq!(decode(encode(&verdict).encoded().unwrap()), Some(verdict));
        }
    }
}
