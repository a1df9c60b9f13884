//! The data of Cruddur: messages in DynamoDB, users and activities in
//! PostgreSQL, sign-ins in Cognito.
//!
//! Settings go in and values or an [`Error`] come out. Nothing here prints,
//! prompts, exits, reads the environment or knows about a command line; long
//! operations report their progress through a callback.

pub mod aws;
pub mod cognito;
pub mod db;
pub mod ddb;
mod error;
pub mod stream;
pub mod target;
pub mod time;

pub use error::{Error, Result, Service};
