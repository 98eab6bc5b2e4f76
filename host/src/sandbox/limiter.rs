//! Memory and tables of one instance, all of them added up: a component with two memories gets no more than one with
//! one.

use wasmtime::ResourceLimiter;

use crate::broker::Limits;

/// Counts what an instance uses, and refuses growth past the limits.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_left: usize,
    table_elements_left: usize,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { memory_left: limits.memory_bytes, table_elements_left: limits.table_elements }
    }
}

fn take(left: &mut usize, current: usize, desired: usize) -> bool {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(take(&mut self.memory_left, current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(take(&mut self.table_elements_left, current, desired))
    }

    fn instances(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }

    fn tables(&self) -> usize {
        64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_budget() {
        let mut limiter = Limiter { memory_left: 100, table_elements_left: 0 };
        assert!(matches!(limiter.memory_growing(0, 60, None), Ok(true)));
        assert!(matches!(limiter.memory_growing(0, 60, None), Ok(false)));
        assert!(matches!(limiter.memory_growing(60, 100, None), Ok(true)));
        assert!(matches!(limiter.memory_growing(100, 101, None), Ok(false)));
    }
}
