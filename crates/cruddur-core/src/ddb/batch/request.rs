//! One put or delete, ready to be sent.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use aws_sdk_dynamodb::types::WriteRequest;

use crate::ddb::item::{Item, string};
use crate::ddb::json::{self, Attributes};
use crate::ddb::limits::item_size;

/// One put or delete of the messages table.
#[derive(Debug, Clone)]
pub struct Request {
    /// Stands for the key. Two keys with the same hash only wait for each other.
    pub(super) key: u64,
    /// The caller's name for it: a line number, a position.
    pub(super) tag: u64,
    /// The request as it stands in a call's body.
    pub(super) wire: Vec<u8>,
    /// What it adds to the size of a call, in bytes.
    pub(super) size: usize,
}

impl Request {
    /// Puts an item, which has the table's keys.
    pub fn put<'a>(item: impl Into<Attributes<'a>>, tag: u64) -> Request {
        let item = item.into();
        let mut wire = Vec::with_capacity(1024);
        wire.extend_from_slice(b"{\"PutRequest\":{\"Item\":");
        let (key, size) = (hash_of(&item), item_size(&item));
        json::write_typed(&mut wire, item);
        wire.extend_from_slice(b"}}");
        Request {
            key,
            tag,
            size,
            wire,
        }
    }

    /// Deletes the item with a key.
    pub fn delete(pk: &str, sk: &str, tag: u64) -> Request {
        let key = Item::from([("pk".into(), string(pk)), ("sk".into(), string(sk))]);
        let mut wire = b"{\"DeleteRequest\":{\"Key\":".to_vec();
        json::write_typed(&mut wire, &key);
        wire.extend_from_slice(b"}}");
        let key = Attributes::from(&key);
        Request {
            key: hash_of(&key),
            tag,
            size: item_size(&key),
            wire,
        }
    }
}

/// The hash of the key that a handed back request is about.
pub(super) fn hash_of_returned(request: &WriteRequest) -> Option<u64> {
    match (&request.put_request, &request.delete_request) {
        (Some(put), _) => Some(hash_of(&(&put.item).into())),
        (None, Some(delete)) => Some(hash_of(&(&delete.key).into())),
        (None, None) => None,
    }
}

fn hash_of(item: &Attributes<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (item.text("pk"), item.text("sk")).hash(&mut hasher);
    hasher.finish()
}

/// The body of a call, which may ask what it consumes.
pub(super) fn body(table: &str, requests: &[Request], counts_capacity: bool) -> Vec<u8> {
    let size: usize = requests.iter().map(|request| request.wire.len() + 1).sum();
    let mut body = Vec::with_capacity(size + 128);
    body.extend_from_slice(b"{\"RequestItems\":{");
    json::write_string(&mut body, table);
    body.extend_from_slice(b":[");
    for (position, request) in requests.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&request.wire);
    }
    body.extend_from_slice(match counts_capacity {
        true => b"]},\"ReturnConsumedCapacity\":\"TOTAL\"}",
        false => b"]}}",
    });
    body
}
