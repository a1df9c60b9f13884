//! The database and the user pool, against real engines.

#[path = "../common/postgres.rs"]
mod postgres;

mod admin;
mod cognito;
mod connection;
mod script;
mod tls;
mod users;
