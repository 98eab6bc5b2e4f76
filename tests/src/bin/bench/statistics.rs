//! Median and 90th percentile.

use std::time::Duration;

/// Of one row and one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) median: Duration,
    pub(crate) p90: Duration,
}

impl Statistics {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { median: rank(&times, 50), p90: rank(&times, 90) }
    }
}

/// The smallest time that so many per cent of all do not exceed.
fn rank(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let times: Vec<_> = (1..=10).rev().map(Duration::from_millis).collect();
        let expected = Statistics { median: Duration::from_millis(5), p90: Duration::from_millis(9) };
        assert_eq!(Statistics::of(times), expected);
        let one = Duration::from_millis(7);
        assert_eq!(Statistics::of(vec![one]), Statistics { median: one, p90: one });
    }
}
