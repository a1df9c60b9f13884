//! PostgreSQL: a private cluster, served by a child process.

mod account;
mod cluster;
mod find;
mod orphan;
mod server;

pub(crate) use cluster::{Cluster, USER, password};
pub use find::installed_postgres;
pub(crate) use find::{Programs, find};
pub(crate) use orphan::{forget_other, stop_orphan};
pub(crate) use server::Server;

/// The database the application uses.
pub(crate) const DATABASE: &str = "cruddur";
