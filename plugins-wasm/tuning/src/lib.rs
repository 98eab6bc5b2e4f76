//! The CNI plugin `tuning`.
