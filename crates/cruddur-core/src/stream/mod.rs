//! The table's stream, and what is done with it: pattern **E** moves the group
//! items of a conversation to each new message.
//!
//! [`apply`] is the whole of it for one batch of records. AWS Lambda calls it
//! through `cruddur-stream`; [`follow`] calls it for any endpoint that serves
//! DynamoDB Streams, which AWS's own is and local servers are.

mod advance;
mod apply;
mod checkpoint;
mod client;
mod event;
mod follow;
mod reader;
mod record;

pub(crate) use advance::{Newest, plan};
pub use apply::{Applied, Failure, MovedGroup, apply, foretell};
pub use checkpoint::{Checkpoint, Position};
pub use client::Streams;
pub use event::StreamEvent;
pub use follow::{Notice, Sink, drain, follow, tail};
pub use reader::Start;
pub use record::{Change, ChangeKind, StreamRecord};
