//! The user pool.
