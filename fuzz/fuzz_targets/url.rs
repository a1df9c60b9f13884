//! The reader of database URLs: what is shown of one names the same database.

#![no_main]

use cruddur_core::db::ConnectionUrl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(url) = ConnectionUrl::parse(text, "URL") else {
        return;
    };
    let shown = url.to_string();
    let again = ConnectionUrl::parse(&shown, "URL").expect("what is shown is a URL");
    assert_eq!(again.to_string(), shown);
    assert_eq!(again.hosts(), url.hosts());
    assert_eq!(again.user(), url.user());
    assert_eq!(again.database(), url.database());
    assert_eq!(again.ssl_mode(), url.ssl_mode());
});
