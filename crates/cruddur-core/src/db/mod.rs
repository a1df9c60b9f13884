//! The database of users and activities.
//!
//! Queries live in `sql/`, one a file, and are compiled in.

mod add_user;
pub mod admin;
mod client;
pub mod cognito_ids;
pub mod marker;
mod password_file;
pub mod script;
pub mod server;
mod statements;
mod tls;
mod url;
mod url_parser;
pub mod users;

pub use client::Database;
pub use tls::{RDS, RDS_CERTIFICATES, SslMode};
pub use url::{ConnectionUrl, Psql};
