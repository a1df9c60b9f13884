//! A DynamoDB for the tests: the one that `CRUDDUR_TEST_DYNAMODB_URL` names, or
//! the embedded engine in memory, served on a free port of this machine.

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::Item;
use cruddur_core::ddb::json::Attributes;
use cruddur_core::ddb::scan::ScanOptions;
use cruddur_core::ddb::schema::{DropOptions, SchemaOptions};
use cruddur_core::target::{Inputs, Target};

/// The address of the engine; started once for all tests of a process.
pub fn endpoint() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| std::env::var("CRUDDUR_TEST_DYNAMODB_URL").unwrap_or_else(|_| serve()))
}

fn serve() -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let database = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_on(listener, database).await;
        });
    });
    format!("http://{}", receiver.recv().unwrap())
}

/// A table of a name of its own, which is dropped with this value.
pub struct TestTable(Table);

impl Deref for TestTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0
    }
}

impl Drop for TestTable {
    fn drop(&mut self) {
        let name = self.0.name().to_owned();
        // The test's own runtime cannot be waited for in here.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let options = DropOptions {
                if_exists: true,
                ..DropOptions::default()
            };
            runtime.block_on(async { table_at(endpoint(), &name).await.drop(&options).await })
        });
        let _ = thread.join();
    }
}

/// The table of a name at an endpoint.
pub async fn table_at(endpoint: &str, name: &str) -> Table {
    let target = Target::resolve(Inputs {
        endpoint_url: Some(endpoint.to_owned()),
        table: Some(name.to_owned()),
        ..Inputs::default()
    });
    Table::connect(&target).await.unwrap()
}

/// A table that does not exist yet.
pub async fn no_table() -> TestTable {
    let name = format!("test-{}", uuid::Uuid::new_v4());
    TestTable(table_at(endpoint(), &name).await)
}

/// An empty messages table.
pub async fn table() -> TestTable {
    let table = no_table().await;
    table.load_schema(&SchemaOptions::default()).await.unwrap();
    table
}

/// An empty table with the same keys and without index and stream, for tests
/// that write much: DynamoDB Local takes a second for 25 items of a table with a
/// stream once its streams hold some ten thousand records, of whatever table.
pub async fn plain_table() -> TestTable {
    let table = no_table().await;
    let mut request = client()
        .create_table()
        .table_name(table.name())
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let key = KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind);
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        request = request
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap());
    }
    request.send().await.unwrap();
    table
}

/// A client of the engine for what the library does not do.
pub fn client() -> Client {
    Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            // The same key as the library's, by which DynamoDB Local may tell
            // its databases apart.
            .credentials_provider(Credentials::new("cruddur", "cruddur", None, None, "test"))
            .endpoint_url(endpoint())
            .build(),
    )
}

/// Everything in the table, in the order of its keys.
pub async fn all_items(table: &Table) -> Vec<Item> {
    let mut items = Vec::new();
    table
        .scan::<cruddur_core::Error>(&ScanOptions::default(), |page| {
            items.extend(page.into_iter().map(Attributes::into_item));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .await
        .unwrap();
    items.sort_by_key(key);
    items
}

/// An item's key.
pub fn key(item: &Item) -> (String, String) {
    let text = |name: &str| item[name].as_s().unwrap().clone();
    (text("pk"), text("sk"))
}

/// Short enough for a test to see the end of it.
pub const IMPATIENT: Duration = Duration::from_millis(300);
