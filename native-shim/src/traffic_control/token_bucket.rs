//! Token bucket filters: `struct tc_tbf_qopt` and its companions, see linux/pkt_sched.h and tc-tbf(8).

use std::time::Duration;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, Nla, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};

use super::{message, remove};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

const KIND: &str = "tbf";
/// `1:`, as the native plugin bandwidth has it.
const HANDLE: TcHandle = TcHandle { major: 1, minor: 0 };

/// TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_BURST.
const PARAMETERS: u16 = 1;
const RATE64: u16 = 4;
const BURST: u16 = 6;
/// TC_LINKLAYER_ETHERNET: frames take as many bytes as they have, not whole cells of ATM.
const ETHERNET: u8 = 1;
/// Size of `struct tc_ratespec` and of `struct tc_tbf_qopt`, and where rate, limit and buffer are in it.
const RATESPEC: usize = 12;
const PARAMETERS_SIZE: usize = 2 * RATESPEC + 12;
const RATE_AT: usize = 8;
const LIMIT_AT: usize = 2 * RATESPEC;
const BUFFER_AT: usize = LIMIT_AT + 4;
/// The kernel tells the size of a bucket as the time that fills it, in 32 bits of ticks of 64 ns (PSCHED_SHIFT).
const TICK_NANOSECONDS: u64 = 64;
/// The longest such time, rounded down.
const LONGEST_FILL: Duration = Duration::from_secs(270);

/// A token bucket filter. It counts frames with their Ethernet headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenBucket {
    /// Bytes per second that come into the bucket.
    pub rate: u64,
    /// Size of the bucket in bytes. When read it may differ by what comes in within 64 ns.
    pub burst: u32,
    /// Bytes that may wait for the bucket to fill.
    pub limit: u32,
}

/// Let packets leave by a link through a token bucket filter. `AlreadyExists` where somebody gave the link a root
/// discipline.
pub fn shape(namespace: &Netns, link: u32, bucket: &TokenBucket) -> Result<()> {
    let TokenBucket { rate, burst, limit } = *bucket;
    check(bucket)?;
    let mut message = message(link, TcHandle::ROOT, HANDLE, Some(KIND))?;
    message.attributes.push(TcAttribute::Options(options(bucket)));
    namespace
        .rtnetlink(|connection| {
            connection.act(RouteNetlinkMessage::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_EXCL)
        })?
        .map_err(|fault| {
            fault.during(format_args!(
                "shape what leaves by link with index {link} (token bucket: {rate} bytes/s, burst {burst}, limit {limit})"
            ))
        })
}

/// The token bucket filter that packets leave by a link through; none where there is none.
pub fn shaper(namespace: &Netns, link: u32) -> Result<Option<TokenBucket>> {
    let message = message(link, TcHandle::ROOT, TcHandle::UNSPEC, None)?;
    // With an acknowledgement, because the kernel says nothing at all of the disciplines that it made itself.
    let answer =
        namespace.rtnetlink(|connection| connection.act_echo(RouteNetlinkMessage::GetQueueDiscipline(message), 0))?;
    match answer {
        Ok(Some(RouteNetlinkMessage::NewQueueDiscipline(found))) => read(&found),
        Ok(_) => Ok(None),
        Err(fault) if fault.errno == libc::ENOENT => Ok(None),
        Err(fault) => Err(fault.during(format_args!("look at the queueing discipline of link with index {link}"))),
    }
}

/// Remove the token bucket filter. None there is no failure; other disciplines are left alone.
pub fn remove_shaper(namespace: &Netns, link: u32) -> Result<()> {
    remove(namespace, link, TcHandle::ROOT, KIND)
}

fn check(bucket: &TokenBucket) -> Result<()> {
    let longest = u128::from(bucket.rate) * u128::from(LONGEST_FILL.as_secs());
    let fault = if bucket.rate == 0 {
        "without a rate nothing would ever pass".to_owned()
    } else if bucket.burst == 0 {
        "into a bucket of 0 bytes no frame fits".to_owned()
    } else if bucket.limit == 0 {
        "with a limit of 0 bytes no frame could wait".to_owned()
    } else if u128::from(bucket.burst) > longest {
        format!("a burst of {} bytes takes longer to collect than the kernel can count, 270 s", bucket.burst)
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Invalid, format!("token bucket with {} bytes/s: {fault}", bucket.rate)))
}

fn options(bucket: &TokenBucket) -> Vec<TcOption> {
    let mut parameters = Vec::with_capacity(PARAMETERS_SIZE);
    parameters.extend([0, ETHERNET]);
    parameters.extend([0; RATE_AT - 2]);
    // What does not fit is in an attribute of its own.
    parameters.extend(u32::try_from(bucket.rate).unwrap_or(u32::MAX).to_ne_bytes());
    parameters.extend([0; RATESPEC]);
    parameters.extend(bucket.limit.to_ne_bytes());
    // The time that fills the bucket: the kernel computes it from the burst, which is exact.
    parameters.resize(PARAMETERS_SIZE, 0);
    let mut options = vec![(PARAMETERS, parameters), (BURST, bucket.burst.to_ne_bytes().to_vec())];
    if u32::try_from(bucket.rate).is_err() {
        options.push((RATE64, bucket.rate.to_ne_bytes().to_vec()));
    }
    options.into_iter().map(|(kind, value)| TcOption::Other(DefaultNla::new(kind, value))).collect()
}

/// Read a discipline; none where it is of another kind.
pub(crate) fn read(message: &TcMessage) -> Result<Option<TokenBucket>> {
    if !message.attributes.iter().any(|attribute| matches!(attribute, TcAttribute::Kind(kind) if kind == KIND)) {
        return Ok(None);
    }
    let mut rate = None;
    let mut rest = None;
    // Options of kinds that the library does not know come as one attribute that holds them.
    for option in message.attributes.iter().flat_map(|attribute| match attribute {
        TcAttribute::Options(options) => options.as_slice(),
        _ => &[],
    }) {
        let mut nested = vec![0; option.value_len()];
        option.emit_value(&mut nested);
        for attribute in NlasIterator::new(nested.as_slice()).map_while(|next| next.ok()) {
            let value = attribute.value();
            match attribute.kind() {
                RATE64 => rate = value.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes)),
                PARAMETERS => {
                    rest = number(value, RATE_AT).zip(number(value, LIMIT_AT)).zip(number(value, BUFFER_AT));
                }
                _ => {}
            }
        }
    }
    let Some(((low, limit), ticks)) = rest else {
        return Err(Error::new(ErrorKind::Io, "the kernel described a token bucket filter in an unknown form"));
    };
    let rate = rate.unwrap_or_else(|| low.into());
    // Rounded: a tick is rarely a whole number of bytes.
    let scaled = u128::from(rate) * u128::from(ticks) * u128::from(TICK_NANOSECONDS);
    let burst = u32::try_from((scaled + 500_000_000) / 1_000_000_000).unwrap_or(u32::MAX);
    Ok(Some(TokenBucket { rate, burst, limit }))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn buckets_that_let_nothing_pass_or_cannot_be_counted_are_refused() {
        let good = TokenBucket { rate: 1000, burst: 2000, limit: 3000 };
        assert!(check(&good).is_ok());
        assert!(check(&TokenBucket { burst: 270_000, ..good }).is_ok());
        for bad in [
            TokenBucket { rate: 0, ..good },
            TokenBucket { burst: 0, ..good },
            TokenBucket { limit: 0, ..good },
            TokenBucket { burst: 270_001, ..good },
        ] {
            assert_eq!(check(&bad).unwrap_err().kind, ErrorKind::Invalid, "{bad:?}");
        }
        assert!(check(&TokenBucket { rate: u64::MAX, burst: u32::MAX, limit: u32::MAX }).is_ok());
    }

    #[test]
    fn parameters_have_the_size_that_the_kernel_wants() {
        for rate in [1, u64::from(u32::MAX), u64::MAX] {
            let options = options(&TokenBucket { rate, burst: 1, limit: 1 });
            let parameters = options.iter().find(|option| option.kind() == PARAMETERS).unwrap();
            assert_eq!(parameters.value_len(), PARAMETERS_SIZE);
            assert_eq!(options.iter().any(|option| option.kind() == RATE64), rate > u64::from(u32::MAX));
        }
    }

    #[test]
    fn a_description_without_parameters_is_an_error_and_another_kind_is_none() {
        let mut message = TcMessage::with_index(1);
        message.attributes.push(TcAttribute::Kind("fq_codel".to_owned()));
        assert_eq!(read(&message), Ok(None));
        message.attributes = vec![TcAttribute::Kind(KIND.to_owned())];
        assert_eq!(read(&message).unwrap_err().kind, ErrorKind::Io);
        let short = TcOption::Other(DefaultNla::new(2, vec![8, 0, PARAMETERS as u8, 0, 1, 2, 3, 4]));
        message.attributes.push(TcAttribute::Options(vec![short]));
        assert_eq!(read(&message).unwrap_err().kind, ErrorKind::Io);
    }
}
