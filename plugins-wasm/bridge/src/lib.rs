//! The CNI plugin `bridge`.
