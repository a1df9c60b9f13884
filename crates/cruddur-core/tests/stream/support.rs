//! A table of an engine for each test, and what the tests put into it.

use std::sync::{OnceLock, mpsc};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use chrono::{DateTime, TimeDelta, Utc};
use cruddur_core::ddb::item::{Item, MessageGroup, Person, text};
use cruddur_core::ddb::{GROUP_INDEX, Table};
use cruddur_core::stream::{Change, ChangeKind, StreamRecord, Streams};
use cruddur_core::target::{Inputs, Target};
use cruddur_core::time::{parse_instant, to_key};
use uuid::Uuid;

/// The engine that `CRUDDUR_TEST_DYNAMODB_URL` names, or the embedded one.
pub fn engine() -> &'static str {
    static ENGINE: OnceLock<String> = OnceLock::new();
    ENGINE.get_or_init(|| std::env::var("CRUDDUR_TEST_DYNAMODB_URL").unwrap_or_else(|_| serve()))
}

fn serve() -> String {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            let database = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_on(listener, database).await;
        });
    });
    format!("http://{}", receive.recv().unwrap())
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn target(url: &str, name: &str) -> Target {
    Target::resolve(Inputs {
        endpoint_url: Some(url.to_owned()),
        table: Some(name.to_owned()),
        ..Inputs::default()
    })
}

pub async fn table_at(url: &str, name: &str) -> Table {
    Table::connect(&target(url, name)).await.unwrap()
}

pub async fn streams_at(url: &str) -> Streams {
    Streams::connect(&target(url, "any")).await.unwrap()
}

/// A client for what the library does not do.
pub fn client_at(url: &str) -> Client {
    Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("cruddur", "cruddur", None, None, "test"))
            .endpoint_url(url)
            .build(),
    )
}

pub fn client() -> Client {
    client_at(engine())
}

/// What a table may lack.
pub struct Lacks {
    pub index: bool,
    pub stream: Option<StreamViewType>,
}

pub const WHOLE: Lacks = Lacks {
    index: false,
    stream: Some(StreamViewType::NewImage),
};

/// A table of a name of its own.
pub async fn table() -> Table {
    let name = format!("test-{}", Uuid::new_v4().simple());
    create(&client(), &name, WHOLE).await;
    table_at(engine(), &name).await
}

pub async fn create(client: &Client, name: &str, lacks: Lacks) {
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(GROUP_INDEX)
        .key_schema(key("message_group_uuid", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::All)
                .build(),
        )
        .build()
        .unwrap();
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk"))
        .attribute_definitions(attribute("sk"))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range));
    if !lacks.index {
        request = request
            .attribute_definitions(attribute("message_group_uuid"))
            .global_secondary_indexes(index);
    }
    if let Some(view) = lacks.stream {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(view);
        request = request.stream_specification(stream.build().unwrap());
    }
    request.send().await.unwrap();
}

/// A person by a handle; the uuid follows from it.
pub fn person(handle: &str) -> Person {
    Person {
        uuid: Uuid::new_v5(&Uuid::NAMESPACE_OID, handle.as_bytes()).to_string(),
        display_name: handle.to_uppercase(),
        handle: handle.to_owned(),
    }
}

/// So many microseconds after some day.
pub fn at(micros: i64) -> DateTime<Utc> {
    parse_instant("2023-03-24T09:45:01Z").unwrap() + TimeDelta::microseconds(micros)
}

/// A participant's item of a group.
pub fn group_item(group: Uuid, owner: &Person, other: &Person, micros: i64) -> Item {
    MessageGroup {
        message_group_uuid: group,
        owner_uuid: owner.uuid.clone(),
        last_message_at: at(micros),
        message: format!("text {micros}"),
        other: other.clone(),
    }
    .to_item()
}

pub async fn put(table: &Table, item: Item) {
    let put = client().put_item().table_name(table.name());
    put.set_item(Some(item)).send().await.unwrap();
}

/// A group of two, both of whose items stand at some time.
pub async fn group(table: &Table, one: &Person, other: &Person, micros: i64) -> Uuid {
    let group = Uuid::new_v4();
    put(table, group_item(group, one, other, micros)).await;
    put(table, group_item(group, other, one, micros)).await;
    group
}

/// The record that a new message leaves in the stream.
pub fn inserted(group: Uuid, sender: &Person, micros: i64) -> StreamRecord {
    let message = cruddur_core::ddb::item::Message {
        message_group_uuid: group.to_string(),
        created_at: at(micros),
        message_uuid: Uuid::new_v4(),
        message: format!("text {micros}"),
        sender: sender.clone(),
    };
    record(micros, ChangeKind::Insert, Some(message.to_item()))
}

pub fn record(number: i64, kind: ChangeKind, image: Option<Item>) -> StreamRecord {
    StreamRecord {
        sequence_number: format!("{}", 100_000_000_000_000_000_000_i128 + i128::from(number)),
        change: Ok(Change {
            kind,
            at: None,
            keys: Item::new(),
            new_image: image,
        }),
    }
}

/// Key and text of each item that a person has of a group.
pub async fn items_of(table: &Table, owner: &Person, group: Uuid) -> Vec<(String, String)> {
    let pages = client()
        .query()
        .table_name(table.name())
        .consistent_read(true)
        .key_condition_expression("pk = :pk")
        .filter_expression("message_group_uuid = :group")
        .expression_attribute_values(":pk", s(format!("GRP#{}", owner.uuid)))
        .expression_attribute_values(":group", s(group.to_string()))
        .into_paginator()
        .items()
        .send();
    let items: Vec<Item> = pages.try_collect().await.unwrap();
    let of = |item: &Item, name: &str| text(item, name).unwrap().to_owned();
    let items = items.iter();
    items.map(|i| (of(i, "sk"), of(i, "message"))).collect()
}

pub fn s(text: impl Into<String>) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(text.into())
}

/// That a person has one item of a group, at this time and with its text.
pub async fn assert_at(table: &Table, owner: &Person, group: Uuid, micros: i64) {
    let expected = [(to_key(at(micros)), format!("text {micros}"))];
    assert_eq!(
        items_of(table, owner, group).await,
        expected,
        "{}",
        owner.handle
    );
}
