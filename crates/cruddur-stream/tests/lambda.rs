//! The function's binary, run as AWS Lambda runs it: against a server that
//! speaks the Runtime API, with events recorded from a real stream.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::Person;
use cruddur_core::ddb::messages::NewGroup;
use cruddur_core::ddb::patterns::Window;
use cruddur_core::ddb::schema::SchemaOptions;
use cruddur_core::target::{Inputs, Target};
use cruddur_core::time::parse_instant;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

/// The engine that `CRUDDUR_TEST_DYNAMODB_URL` names, or the embedded one.
fn engine() -> &'static str {
    static ENGINE: OnceLock<String> = OnceLock::new();
    ENGINE.get_or_init(|| std::env::var("CRUDDUR_TEST_DYNAMODB_URL").unwrap_or_else(|_| serve()))
}

fn serve() -> String {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            let database = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_on(listener, database).await;
        });
    });
    format!("http://{}", receive.recv().unwrap())
}

/// A call as it goes over the wire: the library would read the records, and
/// here they are wanted as the stream gives them.
fn call(operation: &str, body: &Value) -> Value {
    let host = engine().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let body = body.to_string();
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         x-amz-target: {operation}\r\nx-amz-date: 20230324T094501Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=cruddur/20230324/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature=00\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Every record of the table's stream, as an event source mapping passes them
/// on: as they are, and with the stream's ARN.
fn recorded(table: &str) -> Vec<Value> {
    const STREAMS: &str = "DynamoDBStreams_20120810";
    let described = call(
        "DynamoDB_20120810.DescribeTable",
        &json!({"TableName": table}),
    );
    let arn = &described["Table"]["LatestStreamArn"];
    let stream = call(
        &format!("{STREAMS}.DescribeStream"),
        &json!({"StreamArn": arn}),
    );
    let mut records = Vec::new();
    for shard in stream["StreamDescription"]["Shards"].as_array().unwrap() {
        let iterator = call(
            &format!("{STREAMS}.GetShardIterator"),
            &json!({
                "StreamArn": arn,
                "ShardId": shard["ShardId"],
                "ShardIteratorType": "TRIM_HORIZON",
            }),
        );
        let page = call(
            &format!("{STREAMS}.GetRecords"),
            &json!({"ShardIterator": iterator["ShardIterator"]}),
        );
        records.extend(page["Records"].as_array().unwrap().iter().cloned());
    }
    for record in &mut records {
        record["eventSourceARN"] = arn.clone();
    }
    records
}

/// Lambda's side of the Runtime API.
struct Api {
    events: Mutex<VecDeque<String>>,
    answers: UnboundedSender<(String, Value)>,
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let event = api.events.lock().unwrap().pop_front();
    let Some(event) = event else {
        // No more work: the environment is frozen here.
        return std::future::pending().await;
    };
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        ),
        ("lambda-runtime-deadline-ms", "9999999999999"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:111122223333:function:cruddur-stream",
        ),
    ];
    (headers, event)
}

async fn answer(
    State(api): State<Arc<Api>>,
    Path((_, kind)): Path<(String, String)>,
    body: String,
) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap();
    api.answers.send((kind, body)).unwrap();
    StatusCode::ACCEPTED
}

struct Lambda {
    child: Child,
    answers: UnboundedReceiver<(String, Value)>,
}

impl Lambda {
    async fn start(events: Vec<String>) -> Lambda {
        let (send, answers) = unbounded_channel();
        let api = Arc::new(Api {
            events: Mutex::new(events.into()),
            answers: send,
        });
        let router = axum::Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answer))
            .with_state(api);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let child = Command::new(env!("CARGO_BIN_EXE_cruddur-stream"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "cruddur-stream")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "cruddur")
            .env("AWS_SECRET_ACCESS_KEY", "cruddur")
            .env("AWS_ENDPOINT_URL_DYNAMODB", engine())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Lambda { child, answers }
    }

    /// Ends the function, and returns the lines it has logged.
    fn logged(mut self) -> Vec<Value> {
        let mut log = self.child.stderr.take().unwrap();
        self.child.kill().unwrap();
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    async fn answer(&mut self) -> (String, Value) {
        let limit = std::time::Duration::from_secs(30);
        let answer = tokio::time::timeout(limit, self.answers.recv()).await;
        answer.expect("the function answers").unwrap()
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn person(handle: &str) -> Person {
    Person {
        uuid: Uuid::new_v4().to_string(),
        display_name: handle.to_uppercase(),
        handle: handle.to_owned(),
    }
}

async fn table() -> Table {
    let name = format!("test-{}", Uuid::new_v4().simple());
    let target = Target::resolve(Inputs {
        endpoint_url: Some(engine().to_owned()),
        table: Some(name),
        ..Inputs::default()
    });
    let table = Table::connect(&target).await.unwrap();
    table.load_schema(&SchemaOptions::default()).await.unwrap();
    table
}

/// Two groups, with three more messages in each.
async fn filled(table: &Table) -> Vec<NewGroup> {
    let mut groups = Vec::new();
    let now = parse_instant("2023-03-24T09:45:01Z").unwrap();
    for name in ["bayko", "worf"] {
        let (sender, receiver) = (person("andrewbrown"), person(name));
        let new = table.create_message_group(&sender, &receiver, "first", now);
        let new = new.await.unwrap();
        for text in ["second", "third", "fourth"] {
            let group = new.groups[0].message_group_uuid;
            let sender = &new.message.sender;
            table
                .create_message(group, sender, text, now)
                .await
                .unwrap();
        }
        groups.push(new);
    }
    groups
}

/// The texts of the last messages in both participants' lists.
async fn last(table: &Table, group: &NewGroup) -> Vec<String> {
    let mut texts = Vec::new();
    for item in &group.groups {
        let window = Window {
            year: None,
            before: None,
            limit: 9,
        };
        let found = table.conversations(&item.owner_uuid, window).await.unwrap();
        texts.extend(found.items.into_iter().filter_map(|row| row.message));
    }
    texts
}

fn event(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

#[tokio::test]
async fn a_recorded_batch_is_applied_and_again_changes_nothing() {
    let table = table().await;
    let groups = filled(&table).await;
    let records = recorded(table.name());
    assert!(records.len() >= 12, "{}", records.len());
    let mut lambda = Lambda::start(vec![event(&records), event(&records)]).await;
    for _ in 0..2 {
        let answer = lambda.answer().await;
        let none = json!({"batchItemFailures": []});
        assert_eq!(answer, ("response".to_owned(), none));
        for group in &groups {
            assert_eq!(last(&table, group).await, ["fourth", "fourth"]);
        }
    }
}

#[tokio::test]
async fn the_lowest_record_that_failed_is_named_and_the_others_are_applied() {
    let table = table().await;
    let groups = filled(&table).await;
    let mut records = recorded(table.name());
    let messages: Vec<usize> = (0..records.len())
        .filter(|n| records[*n].to_string().contains("MSG#"))
        .collect();
    for broken in [messages[3], messages[5]] {
        records[broken]["dynamodb"]["NewImage"]["sk"] = json!({"S": "yesterday"});
    }
    let number = &records[messages[3]]["dynamodb"]["SequenceNumber"];
    let mut lambda = Lambda::start(vec![event(&records)]).await;
    let answer = lambda.answer().await;
    let named = json!({"batchItemFailures": [{"itemIdentifier": number}]});
    assert_eq!(answer, ("response".to_owned(), named));
    // The first group's last message is one of the broken ones.
    assert_eq!(last(&table, &groups[0]).await, ["third", "third"]);
    assert_eq!(last(&table, &groups[1]).await, ["fourth", "fourth"]);
}

#[tokio::test]
async fn what_is_no_event_fails_as_a_whole_and_the_next_one_is_served() {
    let table = table().await;
    filled(&table).await;
    let records = recorded(table.name());
    let mut nameless = records.last().unwrap().clone();
    let body = nameless["dynamodb"].as_object_mut().unwrap();
    body.remove("SequenceNumber");
    body.remove("NewImage");
    let events = vec![json!({"x": 1}).to_string(), event(&[nameless]), event(&[])];
    let mut lambda = Lambda::start(events).await;
    for reason in ["Records", "no sequence number"] {
        let (kind, body) = lambda.answer().await;
        assert_eq!(kind, "error");
        let message = body["errorMessage"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
    }
    assert_eq!(lambda.answer().await.0, "response");
    let [unread, failed, nothing] = &lambda.logged()[..] else {
        panic!("one line an invocation");
    };
    assert!(
        unread["error"].as_str().unwrap().contains("Records"),
        "{unread}"
    );
    assert_eq!(failed["failures"].as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(nothing["records"], 0, "{nothing}");
}

#[test]
fn what_it_lacks_is_said_in_a_sentence() {
    let output = Command::new(env!("CARGO_BIN_EXE_cruddur-stream"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the AWS region is not set"), "{said}");
}

#[tokio::test]
async fn the_example_events_do_what_they_are_described_to() {
    let table = table().await;
    let one = |name: &str| {
        let path = format!(
            "{}/../../seeds/events/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        // Their table is another one.
        let text = std::fs::read_to_string(path).unwrap();
        text.replace(
            "table/cruddur-messages/",
            &format!("table/{}/", table.name()),
        )
    };
    let names = [
        "one-message",
        "several-groups",
        "remove",
        "malformed-record",
    ];
    let mut lambda = Lambda::start(names.map(one).to_vec()).await;
    // Nobody takes part in their groups here.
    for expected in [1, 1, 0, 1] {
        let (_, body) = lambda.answer().await;
        let failures = body["batchItemFailures"].as_array().unwrap();
        assert_eq!(failures.len(), expected, "{body}");
    }
}
