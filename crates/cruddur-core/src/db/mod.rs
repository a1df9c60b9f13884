//! The database of users and activities.

mod url;

pub use url::ConnectionUrl;
