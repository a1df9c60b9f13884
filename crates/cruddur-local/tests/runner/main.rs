//! The tests that run the real engines, each in a folder and on ports of its own.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod list_users;
mod process;
mod server;
mod sign_in;
mod stack;
mod support;
