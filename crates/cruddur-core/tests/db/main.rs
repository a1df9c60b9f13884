//! The database and the user pool, against real engines.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

#[path = "../common/postgres.rs"]
mod postgres;

mod admin;
mod cognito;
mod connection;
mod script;
mod tls;
mod users;
