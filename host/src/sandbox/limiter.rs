//! Memory and tables of one instance, all of them added up: a component with two memories gets no more than one with
//! one.

use wasmtime::ResourceLimiter;

use crate::broker::{Budget, Quantity, Stop};

/// Counts what an instance uses, and refuses growth past the limits.
#[derive(Debug)]
pub(super) struct Limiter {
    budget: Budget,
    refused: Option<Stop>,
}

impl Limiter {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, refused: None }
    }

    /// The limit that the last refusal was for.
    pub(super) fn refused(&mut self) -> Option<Stop> {
        self.refused.take()
    }

    /// Whether the instance may use so much more.
    pub(super) fn admits(&mut self, quantity: Quantity, more: u64) -> bool {
        match self.budget.spend(quantity, more) {
            Ok(()) => true,
            Err(stop) => {
                self.refused = Some(stop);
                false
            }
        }
    }
}

fn more(current: usize, desired: usize) -> u64 {
    desired.saturating_sub(current) as u64
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.admits(Quantity::Memory, more(current, desired)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.admits(Quantity::TableElements, more(current, desired)))
    }

    fn instances(&self) -> usize {
        self.budget.limits().instances
    }

    fn memories(&self) -> usize {
        self.budget.limits().memories
    }

    fn tables(&self) -> usize {
        self.budget.limits().tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Limits;

    #[test]
    fn memories_share_one_budget() {
        let limits = Limits { memory_bytes: 100, ..Limits::default() };
        let mut limiter = Limiter::new(Budget::new("p", limits, None));
        assert!(matches!(limiter.memory_growing(0, 60, None), Ok(true)));
        assert!(limiter.refused().is_none());
        assert!(matches!(limiter.memory_growing(0, 60, None), Ok(false)));
        assert!(matches!(limiter.refused(), Some(Stop::Limit { key: "memoryBytes", limit: 100, .. })));
        assert!(matches!(limiter.memory_growing(60, 100, None), Ok(true)));
        assert!(matches!(limiter.memory_growing(100, 101, None), Ok(false)));
    }
}
