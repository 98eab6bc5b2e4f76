//! The CNI plugin `loopback`.
