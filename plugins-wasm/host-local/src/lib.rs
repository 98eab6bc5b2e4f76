//! The CNI plugin `host-local`.
