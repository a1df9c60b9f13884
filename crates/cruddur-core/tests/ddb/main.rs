//! The messages table against a real engine.

mod batch;
#[path = "../common/dynamodb.rs"]
mod dynamodb;
#[path = "../common/fault_proxy.rs"]
mod fault_proxy;
mod import;
mod scan;
mod schema;
mod seed;
