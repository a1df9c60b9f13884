//! The tests of the binary, in one program so that they share one stack.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod support;

mod credentials;
mod db;
mod ddb;
mod doctor;
mod faults;
mod files;
mod followers;
mod halfway;
#[path = "../../../cruddur-core/tests/common/http.rs"]
mod http;
mod local;
mod production;
mod secrets;
mod setup;
mod stream;
mod tree;
mod usage;
mod waiting;
