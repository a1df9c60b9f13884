use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use cruddur_core::Error;
use cruddur_core::ddb::schema::{Billing, DropOptions, Dropped, Loaded, SchemaOptions};
use cruddur_core::ddb::{GROUP_INDEX, Table};

use crate::dynamodb::{client, no_table, table};

fn update() -> SchemaOptions {
    SchemaOptions {
        update: true,
        ..SchemaOptions::default()
    }
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
        .unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()
        .unwrap()
}

fn index(hash: &str, projection: ProjectionType) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name(GROUP_INDEX)
        .key_schema(key(hash, KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .projection(Projection::builder().projection_type(projection).build())
        .build()
        .unwrap()
}

fn stream(view: StreamViewType) -> StreamSpecification {
    StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(view)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_table_is_created_once_with_index_and_stream() {
    let table = no_table().await;
    let dry = SchemaOptions {
        dry_run: true,
        ..SchemaOptions::default()
    };
    assert_eq!(table.load_schema(&dry).await.unwrap(), Loaded::Created);
    assert!(matches!(
        table.summary().await,
        Err(Error::TableNotFound { .. })
    ));
    let options = SchemaOptions::default();
    assert_eq!(table.load_schema(&options).await.unwrap(), Loaded::Created);
    assert_eq!(
        table.load_schema(&options).await.unwrap(),
        Loaded::AlreadyThere
    );
    assert_eq!(table.load_schema(&dry).await.unwrap(), Loaded::AlreadyThere);
    let described = client().describe_table().table_name(table.name());
    let described = described.send().await.unwrap().table.unwrap();
    assert!(described.latest_stream_arn.is_some());
    let units = described.provisioned_throughput.unwrap();
    assert_eq!(
        (units.read_capacity_units, units.write_capacity_units),
        (Some(5), Some(5))
    );
    assert_eq!(table.summary().await.unwrap().items, 0);
}

#[tokio::test]
async fn each_billing_mode_is_taken() {
    let table = no_table().await;
    let options = SchemaOptions {
        billing: Billing::PayPerRequest,
        ..SchemaOptions::default()
    };
    assert_eq!(table.load_schema(&options).await.unwrap(), Loaded::Created);
    let described = client().describe_table().table_name(table.name());
    let described = described.send().await.unwrap().table.unwrap();
    let mode = described.billing_mode_summary.unwrap().billing_mode;
    assert_eq!(mode, Some(BillingMode::PayPerRequest));
}

#[tokio::test]
async fn two_that_create_the_table_at_once_both_end_well() {
    let table = no_table().await;
    let options = SchemaOptions::default();
    let (one, other) = tokio::join!(table.load_schema(&options), table.load_schema(&options));
    let both = [one.unwrap(), other.unwrap()];
    assert!(both.contains(&Loaded::Created), "{both:?}");
}

#[tokio::test]
async fn an_old_table_gets_what_it_lacks_only_when_asked() {
    for billing in [BillingMode::Provisioned, BillingMode::PayPerRequest] {
        let table = no_table().await;
        let request = client()
            .create_table()
            .table_name(table.name())
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range))
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .attribute_definitions(attribute("sk", ScalarAttributeType::S))
            .billing_mode(billing.clone());
        let request = match billing {
            BillingMode::Provisioned => request.provisioned_throughput(
                aws_sdk_dynamodb::types::ProvisionedThroughput::builder()
                    .read_capacity_units(5)
                    .write_capacity_units(5)
                    .build()
                    .unwrap(),
            ),
            _ => request,
        };
        request.send().await.unwrap();
        let error = table
            .load_schema(&SchemaOptions::default())
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::TableIncomplete { .. }), "{text}");
        assert!(
            text.ends_with("lacks the index message-group-sk-index and the stream"),
            "{text}"
        );
        let both = Loaded::Updated {
            added: vec![
                "the index message-group-sk-index".into(),
                "the stream".into(),
            ],
        };
        let dry = SchemaOptions {
            dry_run: true,
            ..update()
        };
        assert_eq!(table.load_schema(&dry).await.unwrap(), both);
        assert_eq!(table.load_schema(&update()).await.unwrap(), both);
        assert_eq!(
            table.load_schema(&update()).await.unwrap(),
            Loaded::AlreadyThere
        );
        assert_eq!(
            table.load_schema(&SchemaOptions::default()).await.unwrap(),
            Loaded::AlreadyThere
        );
    }
}

#[tokio::test]
async fn another_key_schema_is_named_difference_by_difference() {
    let table = no_table().await;
    client()
        .create_table()
        .table_name(table.name())
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("created", KeyType::Range))
        .attribute_definitions(attribute("pk", ScalarAttributeType::N))
        .attribute_definitions(attribute("created", ScalarAttributeType::S))
        .attribute_definitions(attribute("group", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .global_secondary_indexes(index("group", ProjectionType::KeysOnly))
        .stream_specification(stream(StreamViewType::KeysOnly))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let Err(Error::TableDiffers { differences, .. }) = table.load_schema(&update()).await else {
        panic!("it was taken for the messages table");
    };
    assert_eq!(
        differences,
        [
            "its partition key pk is a number, not a string",
            "its sort key is created, not sk",
            "the index message-group-sk-index's partition key is group, not message_group_uuid",
            "the index message-group-sk-index's projection is KEYS_ONLY, not ALL",
            "its stream carries KEYS_ONLY, not NEW_IMAGE",
        ]
    );
}

#[tokio::test]
async fn a_probe_tells_of_each_part_and_changes_nothing() {
    let table = no_table().await;
    let probe = table.probe().await;
    assert!(probe.table.unwrap().is_none());
    let clock = probe.clock.unwrap();
    assert!(clock.abs() < chrono::TimeDelta::seconds(2), "{clock}");
    client()
        .create_table()
        .table_name(table.name())
        .key_schema(key("pk", KeyType::Hash))
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .stream_specification(stream(StreamViewType::KeysOnly))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let report = table.probe().await.table.unwrap().unwrap();
    assert_eq!(report.status, "ACTIVE");
    let ends = |result: Result<String, Error>, end: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with(end), "{error}");
    };
    let keys = report.keys.map(|()| String::new());
    ends(keys, "its sort key is missing, not sk");
    ends(report.index, "lacks the index message-group-sk-index");
    ends(report.stream, "its stream carries KEYS_ONLY, not NEW_IMAGE");
    let whole = no_table().await;
    whole.load_schema(&SchemaOptions::default()).await.unwrap();
    let report = whole.probe().await.table.unwrap().unwrap();
    assert!(report.keys.is_ok());
    assert_eq!(report.index.unwrap(), "ACTIVE");
    assert_eq!(report.stream.unwrap(), "NEW_IMAGE");
}

#[tokio::test]
async fn a_table_without_a_sort_key_differs() {
    let table = no_table().await;
    client()
        .create_table()
        .table_name(table.name())
        .key_schema(key("pk", KeyType::Hash))
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let error = table.load_schema(&update()).await.unwrap_err().to_string();
    assert!(
        error.ends_with("its sort key is missing, not sk"),
        "{error}"
    );
}

#[tokio::test]
async fn old_images_in_the_stream_do_no_harm() {
    let table = no_table().await;
    client()
        .create_table()
        .table_name(table.name())
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("message_group_uuid", ScalarAttributeType::S))
        .global_secondary_indexes(index("message_group_uuid", ProjectionType::All))
        .stream_specification(stream(StreamViewType::NewAndOldImages))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let loaded = table.load_schema(&SchemaOptions::default()).await.unwrap();
    assert_eq!(loaded, Loaded::AlreadyThere);
}

#[tokio::test]
async fn a_dropped_table_is_gone_and_a_second_drop_says_so() {
    let table = table().await;
    let dry = DropOptions {
        dry_run: true,
        ..DropOptions::default()
    };
    assert_eq!(Table::drop(&table, &dry).await.unwrap(), Dropped::Dropped);
    table.summary().await.unwrap();
    let options = DropOptions::default();
    assert_eq!(
        Table::drop(&table, &options).await.unwrap(),
        Dropped::Dropped
    );
    let error = Table::drop(&table, &options).await.unwrap_err();
    assert!(matches!(error, Error::TableNotFound { .. }), "{error}");
    let lenient = DropOptions {
        if_exists: true,
        ..options
    };
    assert_eq!(
        Table::drop(&table, &lenient).await.unwrap(),
        Dropped::NotThere
    );
}

#[tokio::test]
async fn every_table_is_listed_beyond_a_hundred() {
    let mut tables = Vec::new();
    for _ in 0..105 {
        let table = no_table().await;
        client()
            .create_table()
            .table_name(table.name())
            .key_schema(key("pk", KeyType::Hash))
            .attribute_definitions(attribute("pk", ScalarAttributeType::S))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        tables.push(table);
    }
    let listed = tables[0].list_tables().await.unwrap();
    for table in &tables {
        assert!(listed.iter().any(|name| name == table.name()));
    }
}

#[tokio::test]
async fn a_closed_port_is_said_at_once() {
    let table = crate::dynamodb::table_at("http://127.0.0.1:9", "x").await;
    let start = std::time::Instant::now();
    let error = table
        .load_schema(&SchemaOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(start.elapsed().as_secs() < 2);
}
