//! The messages table against a real engine.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod batch;
#[path = "../common/dynamodb.rs"]
mod dynamodb;
#[path = "../common/fault_proxy.rs"]
mod fault_proxy;
#[path = "../common/http.rs"]
mod http;
mod import;
mod scan;
mod schema;
mod seed;
