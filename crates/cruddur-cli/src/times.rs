//! Times as people read them.

use chrono::Local;
use clap::Args;
use cruddur_core::time::parse_instant;

use crate::ui::printable;

/// A time as people read it, to the second.
pub const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

// Whether times are shown in UTC.
#[derive(Debug, Args)]
pub struct TimeArgs {
    /// Show times in UTC instead of the local time zone
    #[arg(long)]
    utc: bool,
}

impl TimeArgs {
    /// The heading of a column of times.
    pub fn heading(&self) -> &'static str {
        if self.utc { "time (UTC)" } else { "time" }
    }

    /// A key's time, to the second; text that is no time is shown as it is.
    pub fn show(&self, key: &str) -> String {
        if !self.utc {
            return local_time(key);
        }
        match parse_instant(key) {
            None => printable(key),
            Some(time) => time.format(FORMAT).to_string(),
        }
    }
}

/// A key's time in the local time zone, to the second.
pub fn local_time(key: &str) -> String {
    match parse_instant(key) {
        None => printable(key),
        Some(time) => time.with_timezone(&Local).format(FORMAT).to_string(),
    }
}
