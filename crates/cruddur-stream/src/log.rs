//! Lines for CloudWatch Logs, which takes what a function writes to stderr.

use std::io::Write as _;

use serde::Serialize;

/// Writes one line of JSON.
pub fn line(value: &impl Serialize) {
    if let Ok(mut json) = serde_json::to_vec(value) {
        json.push(b'\n');
        // Where the log cannot be written there is nobody to tell.
        let _ = std::io::stderr().lock().write_all(&json);
    }
}
