//! How many bytes a value brings across the boundary, near enough: as many as go into its hash.

use std::hash::{Hash, Hasher};

/// Bytes of a value. What it only refers to, such as a namespace, counts nothing.
pub fn weigh(value: &(impl Hash + ?Sized)) -> u64 {
    let mut scales = Scales(0);
    value.hash(&mut scales);
    scales.0
}

/// A result that the guest gets a number for, and nothing else.
#[derive(Debug)]
pub struct Opaque<T>(pub T);

impl<T> Hash for Opaque<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

struct Scales(u64);

impl Hasher for Scales {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len() as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_weighs_what_it_holds() {
        assert_eq!(weigh(&7_u32), 4);
        assert_eq!(weigh(&[1_u8; 1000][..]), 1008);
        assert!((1000..1100).contains(&weigh(&vec!["x".repeat(100); 10])));
        assert_eq!(weigh(&Opaque(vec![1_u64; 10])), 0);
        assert_eq!(weigh(&()), 0);
    }
}
