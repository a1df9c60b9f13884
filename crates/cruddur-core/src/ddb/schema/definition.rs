//! What the table looks like, in the one place that says so.

use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexDescription, GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement,
    KeyType, Projection, ProjectionType, ProvisionedThroughput, ScalarAttributeType,
    StreamSpecification, StreamViewType, TableDescription, TableStatus,
};

use super::{Billing, billing_mode, unbuildable};
use crate::Result;
use crate::ddb::GROUP_INDEX;

/// A key: its hash attribute and its range attribute, strings both.
type Keys = [&'static str; 2];

const TABLE_KEYS: Keys = ["pk", "sk"];
const INDEX_KEYS: Keys = ["message_group_uuid", "sk"];

/// Something that can be added to a table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Index,
    Stream,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Index => write!(f, "the index {GROUP_INDEX}"),
            Part::Stream => f.write_str("the stream"),
        }
    }
}

/// The request that creates the table.
pub fn create(client: &Client, name: &str, billing: Billing) -> Result<CreateTableFluentBuilder> {
    let index = GlobalSecondaryIndex::builder()
        .index_name(GROUP_INDEX)
        .set_key_schema(Some(key_schema(INDEX_KEYS)?))
        .projection(everything())
        .set_provisioned_throughput(throughput(billing)?)
        .build()
        .map_err(unbuildable)?;
    Ok(client
        .create_table()
        .table_name(name)
        .set_key_schema(Some(key_schema(TABLE_KEYS)?))
        .set_attribute_definitions(Some(attributes(&["pk", "sk", "message_group_uuid"])?))
        .billing_mode(billing_mode(billing))
        .set_provisioned_throughput(throughput(billing)?)
        .global_secondary_indexes(index)
        .stream_specification(stream()?))
}

/// The request that adds what is lacking. An index gets the table's capacity.
pub fn add(
    client: &Client,
    name: &str,
    part: Part,
    table: &TableDescription,
) -> Result<UpdateTableFluentBuilder> {
    let request = client.update_table().table_name(name);
    if part == Part::Stream {
        return Ok(request.stream_specification(stream()?));
    }
    let index = CreateGlobalSecondaryIndexAction::builder()
        .index_name(GROUP_INDEX)
        .set_key_schema(Some(key_schema(INDEX_KEYS)?))
        .projection(everything())
        .set_provisioned_throughput(throughput(billing_of(table))?)
        .build()
        .map_err(unbuildable)?;
    Ok(request
        .set_attribute_definitions(Some(attributes(&INDEX_KEYS)?))
        .global_secondary_index_updates(
            GlobalSecondaryIndexUpdate::builder().create(index).build(),
        ))
}

/// Whether the table and all its indexes can be used.
pub fn is_active(table: &TableDescription) -> bool {
    table.table_status == Some(TableStatus::Active)
        && indexes(table).iter().all(|index| {
            // Some local engines leave the status out.
            matches!(index.index_status, None | Some(IndexStatus::Active))
        })
}

/// What can be added. The index comes first, since it takes longest.
pub fn missing(table: &TableDescription) -> Vec<Part> {
    let mut missing = Vec::new();
    if group_index(table).is_none() {
        missing.push(Part::Index);
    }
    if stream_view(table).is_none() {
        missing.push(Part::Stream);
    }
    missing
}

/// What is other than it should be and cannot be mended by adding something.
pub fn differences(table: &TableDescription) -> Vec<String> {
    let mut differences = key_differences(table);
    differences.extend(index_differences(table));
    differences.extend(stream_difference(table));
    differences
}

/// What is other about the table's own keys.
pub fn key_differences(table: &TableDescription) -> Vec<String> {
    let mut differences = Vec::new();
    let types = Types(table.attribute_definitions());
    compare_keys(
        "its",
        table.key_schema(),
        TABLE_KEYS,
        &types,
        &mut differences,
    );
    differences
}

/// What is other about the index, or stands in the way of adding it.
pub fn index_differences(table: &TableDescription) -> Vec<String> {
    let mut differences = Vec::new();
    let types = Types(table.attribute_definitions());
    if let Some(index) = group_index(table) {
        let whose = format!("the index {GROUP_INDEX}'s");
        compare_keys(
            &whose,
            index.key_schema(),
            INDEX_KEYS,
            &types,
            &mut differences,
        );
        let projection = index
            .projection()
            .and_then(|projection| projection.projection_type());
        if projection != Some(&ProjectionType::All) {
            differences.push(format!(
                "{whose} projection is {}, not ALL",
                projection.map_or("none", ProjectionType::as_str)
            ));
        }
    } else if let Some(other) = types.other_than_string("message_group_uuid") {
        differences.push(format!(
            "message_group_uuid is declared as {other}, not as a string"
        ));
    }
    differences
}

/// What is other about the stream.
pub fn stream_difference(table: &TableDescription) -> Option<String> {
    // Old images beside the new ones do not bother a reader of the new ones.
    let wanted = [StreamViewType::NewImage, StreamViewType::NewAndOldImages];
    let view = stream_view(table).filter(|view| !wanted.contains(view))?;
    Some(format!(
        "its stream carries {}, not NEW_IMAGE",
        view.as_str()
    ))
}

fn compare_keys(
    whose: &str,
    keys: &[KeySchemaElement],
    wanted: Keys,
    types: &Types<'_>,
    differences: &mut Vec<String>,
) {
    let kinds = [
        (KeyType::Hash, "partition key"),
        (KeyType::Range, "sort key"),
    ];
    for ((kind, what), wanted) in kinds.into_iter().zip(wanted) {
        let found = keys
            .iter()
            .find(|key| key.key_type == kind)
            .map(|key| key.attribute_name.as_str());
        match found {
            None => differences.push(format!("{whose} {what} is missing, not {wanted}")),
            Some(name) if name != wanted => {
                differences.push(format!("{whose} {what} is {name}, not {wanted}"));
            }
            Some(name) => {
                if let Some(other) = types.other_than_string(name) {
                    differences.push(format!("{whose} {what} {name} is {other}, not a string"));
                }
            }
        }
    }
}

/// The declared types of the key attributes.
struct Types<'a>(&'a [AttributeDefinition]);

impl Types<'_> {
    fn other_than_string(&self, name: &str) -> Option<&'static str> {
        let found = self.0.iter().find(|a| a.attribute_name == name)?;
        match found.attribute_type {
            ScalarAttributeType::S => None,
            ScalarAttributeType::N => Some("a number"),
            ScalarAttributeType::B => Some("binary"),
            _ => Some("of another type"),
        }
    }
}

pub fn group_index(table: &TableDescription) -> Option<&GlobalSecondaryIndexDescription> {
    indexes(table)
        .iter()
        .find(|index| index.index_name() == Some(GROUP_INDEX))
}

fn indexes(table: &TableDescription) -> &[GlobalSecondaryIndexDescription] {
    table.global_secondary_indexes()
}

pub fn stream_view(table: &TableDescription) -> Option<StreamViewType> {
    table
        .stream_specification()
        .filter(|stream| stream.stream_enabled)
        .and_then(|stream| stream.stream_view_type.clone())
}

/// How a table is billed. One that never changed its mode may not name it.
fn billing_of(table: &TableDescription) -> Billing {
    let mode = table
        .billing_mode_summary()
        .and_then(|summary| summary.billing_mode());
    let units = table.provisioned_throughput();
    let read = units.and_then(|u| u.read_capacity_units()).unwrap_or(0);
    let write = units.and_then(|u| u.write_capacity_units()).unwrap_or(0);
    if mode == Some(&BillingMode::PayPerRequest) || read == 0 || write == 0 {
        Billing::PayPerRequest
    } else {
        Billing::Provisioned { read, write }
    }
}

fn key_schema([hash, range]: Keys) -> Result<Vec<KeySchemaElement>> {
    let key = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .map_err(unbuildable)
    };
    Ok(vec![key(hash, KeyType::Hash)?, key(range, KeyType::Range)?])
}

fn attributes(names: &[&str]) -> Result<Vec<AttributeDefinition>> {
    names
        .iter()
        .map(|name| {
            AttributeDefinition::builder()
                .attribute_name(*name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(unbuildable)
        })
        .collect()
}

fn everything() -> Projection {
    Projection::builder()
        .projection_type(ProjectionType::All)
        .build()
}

fn throughput(billing: Billing) -> Result<Option<ProvisionedThroughput>> {
    let Billing::Provisioned { read, write } = billing else {
        return Ok(None);
    };
    ProvisionedThroughput::builder()
        .read_capacity_units(read)
        .write_capacity_units(write)
        .build()
        .map(Some)
        .map_err(unbuildable)
}

fn stream() -> Result<StreamSpecification> {
    StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build()
        .map_err(unbuildable)
}
