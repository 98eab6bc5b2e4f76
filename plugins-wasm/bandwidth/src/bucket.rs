//! From bits in the configuration to the kernel's token bucket.
//!
//! The native plugin makes the queue as long as the burst and 25 ms of the rate together. Once the bucket is empty a packet
//! then waits for as long as the whole burst takes, and runtimes ask for bursts of 256 MiB and more where the user named
//! none. Here the queue does not depend on the burst, and such a burst is taken as none.

use weir_sdk::net::TokenBucket;

use crate::config::Limit;

/// How long a packet may wait in a full queue, besides the time that one large packet takes.
const LATENCY_MILLISECONDS: u64 = 25;
/// Bursts of so many bits are what runtimes give where the user named none: kubelet 2^31 - 1, containerd 2^32 - 1,
/// CRI-O 2^35 - 9.
const UNNAMED_BURST: u64 = (1 << 31) - 1;
/// What the bucket then holds, as time of the rate.
const DEFAULT_BURST_MILLISECONDS: u64 = 100;
/// The kernel counts the time in which a bucket fills, up to 270 s.
const LONGEST_BURST_SECONDS: u64 = 270;
/// Ethernet header with a VLAN tag.
const HEADER: u64 = 18;
/// The largest packet that the kernel passes on before it cuts it into frames, with header.
const LARGEST_PACKET: u64 = 65_536 + HEADER;
/// The longest time that the kernel takes for a bucket where it is given as time, as the native plugin does: 2^32 ns.
const LONGEST_TIME_NANOSECONDS: u64 = u32::MAX as u64;

impl Limit {
    /// The token bucket for a link with this MTU.
    pub(crate) fn bucket(self, mtu: u32) -> TokenBucket {
        let rate = self.bytes_per_second();
        let frame = u64::from(mtu) + HEADER;
        let named = self.burst / 8;
        let burst = if self.burst < UNNAMED_BURST {
            named
        } else {
            // Not less than a large packet: cutting it up takes time.
            named.min((rate / 1000).saturating_mul(DEFAULT_BURST_MILLISECONDS).max(LARGEST_PACKET))
        };
        // Where no whole frame fits, none would ever pass.
        let burst = burst.min(rate.saturating_mul(LONGEST_BURST_SECONDS)).max(frame);
        let queue = per_milliseconds(rate, LATENCY_MILLISECONDS).saturating_add(burst.min(LARGEST_PACKET));
        TokenBucket { rate, burst: clamp(burst), limit: clamp(queue) }
    }

    /// Whether a token bucket is what the configuration says: made here, or by the native plugin, whose containers may be
    /// running when a node is moved over.
    pub(crate) fn is_satisfied_by(self, found: &TokenBucket, mtu: u32) -> bool {
        let ours = self.bucket(mtu);
        let TokenBucket { rate, .. } = ours;
        if found.rate != rate {
            return false;
        }
        let named = self.burst / 8;
        let longest = u128::from(rate) * u128::from(LONGEST_TIME_NANOSECONDS) / 1_000_000_000;
        let native = TokenBucket {
            rate,
            burst: clamp(named.min(u64::try_from(longest).unwrap_or(u64::MAX))),
            limit: clamp(per_milliseconds(rate, LATENCY_MILLISECONDS).saturating_add(named)),
        };
        [ours, native]
            .iter()
            .any(|wanted| is_near(rate, found.burst, wanted.burst) && is_near(rate, found.limit, wanted.limit))
    }

    fn bytes_per_second(self) -> u64 {
        self.rate / 8
    }
}

fn per_milliseconds(rate: u64, milliseconds: u64) -> u64 {
    u64::try_from(u128::from(rate) * u128::from(milliseconds) / 1000).unwrap_or(u64::MAX)
}

fn clamp(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Whether a number read back is the one that was set: the kernel keeps times, in steps of 64 ns.
fn is_near(rate: u64, found: u32, wanted: u32) -> bool {
    let step = rate / (1_000_000_000 / 64);
    u64::from(found.abs_diff(wanted)) <= 2 * step + u64::from(wanted) / 1000 + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABIT: u64 = 1_000_000;

    fn bucket(rate: u64, burst: u64, mtu: u32) -> (u64, u32, u32) {
        let TokenBucket { rate, burst, limit } = Limit { rate, burst }.bucket(mtu);
        (rate, burst, limit)
    }

    #[test]
    fn a_named_burst_is_taken_as_it_is_and_does_not_lengthen_the_queue() {
        assert_eq!(bucket(8 * MEGABIT, 8 * 30_000, 1500), (1_000_000, 30_000, 55_000));
        assert_eq!(bucket(8 * MEGABIT, 80 * MEGABIT, 1500), (1_000_000, 10_000_000, 25_000 + 65_554));
        assert_eq!(bucket(800_000 * MEGABIT, 8 * 1_000_000, 9000), (100_000_000_000, 1_000_000, 2_500_065_554));
    }

    #[test]
    fn the_bursts_that_runtimes_give_for_none_become_a_tenth_of_a_second() {
        for burst in [i32::MAX as u64, u64::from(u32::MAX), u64::from(u32::MAX) * 8 - 1, u64::MAX] {
            assert_eq!(bucket(80 * MEGABIT, burst, 1500), (10_000_000, 1_000_000, 250_000 + 65_554));
            assert_eq!(bucket(MEGABIT, burst, 1500), (125_000, 65_554, 3125 + 65_554));
        }
        // Where a tenth of a second is more, the number counts.
        assert_eq!(bucket(100_000 * MEGABIT, i32::MAX as u64, 1500).1, 268_435_455);
    }

    #[test]
    fn a_whole_frame_always_fits_and_the_kernel_can_always_count() {
        assert_eq!(bucket(8 * MEGABIT, 456, 1500), (1_000_000, 1518, 25_000 + 1518));
        assert_eq!(bucket(8 * MEGABIT, 456, 9000).1, 9018);
        assert_eq!(bucket(8000, 8 * 1_000_000, 1500), (1000, 270_000, 25 + 65_554));
        assert_eq!(bucket(u64::MAX, u64::MAX, u32::MAX), (u64::MAX / 8, u32::MAX, u32::MAX));
    }

    #[test]
    fn numbers_as_the_kernel_gives_them_back_satisfy_and_others_do_not() {
        let limit = Limit { rate: 8 * MEGABIT, burst: 8 * 30_000 };
        let set = limit.bucket(1500);
        assert!(limit.is_satisfied_by(&set, 1500));
        assert!(limit.is_satisfied_by(&TokenBucket { burst: set.burst - 2, ..set }, 1500));
        for other in [
            TokenBucket { rate: set.rate + 1, ..set },
            TokenBucket { burst: set.burst + 100, ..set },
            TokenBucket { limit: set.limit - 100, ..set },
        ] {
            assert!(!limit.is_satisfied_by(&other, 1500), "{other:?}");
        }
    }

    #[test]
    fn what_the_native_plugin_sets_satisfies() {
        let limit = Limit { rate: 8 * MEGABIT, burst: 8 * 30_000 };
        assert!(limit.is_satisfied_by(&TokenBucket { rate: 1_000_000, burst: 30_000, limit: 55_000 }, 1500));
        let limit = Limit { rate: 80 * MEGABIT, burst: i32::MAX as u64 };
        let native = TokenBucket { rate: 10_000_000, burst: 42_949_672, limit: 268_435_455 + 250_000 };
        assert!(limit.is_satisfied_by(&native, 1500));
        assert!(!limit.is_satisfied_by(&TokenBucket { burst: 1_000_000, ..native }, 1500), "half of each");
    }
}
