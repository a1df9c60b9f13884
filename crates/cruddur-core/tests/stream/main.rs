//! Writing messages and following the stream, against a real engine.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

#[path = "../common/http.rs"]
mod http;
mod log;
mod proxy;
mod support;

mod applying;
mod following;
mod properties;
mod shards;
mod together;
mod writing;
