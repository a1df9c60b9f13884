//! Writing messages and following the stream, against a real engine.

mod proxy;
mod support;

mod applying;
mod following;
mod properties;
mod writing;
