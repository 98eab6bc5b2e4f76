//! The CNI plugin `static`.
