//! The CNI plugin `portmap`.
