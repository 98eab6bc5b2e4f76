//! Tests on the in-memory host.
