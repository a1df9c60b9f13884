//! Work on a stream that ends halfway: what was done by then is told.

use chrono::Utc;
use cruddur_core::ddb::messages::NewGroup;
use cruddur_core::time::to_key;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{self, Answer, Upstream};
use crate::stream::{begin, items, runtime, with_table};
use crate::support::engines;

/// The address of a proxy that refuses every request in which a word is, as long
/// as the runtime runs that this is called on.
async fn refusing(word: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, word.clone()));
        }
    });
    url
}

async fn serve(stream: TcpStream, word: String) {
    let mut client = BufReader::new(stream);
    let mut engine = Upstream::new(&engines().dynamodb);
    while let Ok(Some((head, body))) = http::message(&mut client).await {
        let answer = match String::from_utf8_lossy(&body).contains(&word) {
            true => Answer::exception("AccessDeniedException"),
            false => engine.send(&head, &body).await.unwrap(),
        };
        if client.write_all(&answer.bytes()).await.is_err() {
            return;
        }
    }
}

#[test]
fn what_was_moved_is_told_where_the_rest_cannot_be() {
    let proxied = tokio::runtime::Runtime::new().unwrap();
    let (environment, table) = runtime().block_on(with_table());
    let good = runtime().block_on(begin(&table, ["andrewbrown", "bayko"], "first"));
    let bad = runtime().block_on(begin(&table, ["londo", "vir"], "first"));
    let record = |number: u32, group: &NewGroup, text: &str| {
        let (message, sender) = (&group.message, &group.message.sender);
        let image = json!({
            "pk": {"S": format!("MSG#{}", message.message_group_uuid)},
            "sk": {"S": to_key(Utc::now())},
            "message": {"S": text},
            "user_uuid": {"S": sender.uuid},
        });
        json!({
            "eventName": "INSERT",
            "eventSourceARN": format!("arn:aws:dynamodb:r:1:table/{}/stream/s", table.name()),
            "dynamodb": {"SequenceNumber": number.to_string(), "NewImage": image},
        })
    };
    let group = bad.message.message_group_uuid.to_string();
    let url = proxied.block_on(refusing(group.clone()));
    let at = ["--endpoint-url", &url];
    let event = |records: &[Value]| {
        let event = json!({ "Records": records }).to_string();
        environment.write("event.json", &event);
        environment.run(&[&["ddb", "stream", "replay", "event.json"], &at[..]].concat())
    };
    let run = event(&[record(1, &good, "second"), record(2, &bad, "second")]).exits(3);
    assert!(run.stdout.contains("2 records: 1 group moved"), "{run}");
    assert!(run.stderr.contains("not done: record 2: "), "{run}");
    let texts = |group| runtime().block_on(items(&table, group));
    assert!(texts(&good).iter().all(|(_, text)| text == "second"));
    assert!(texts(&bad).iter().all(|(_, text)| text == "first"));
    event(&[record(3, &bad, "third")]).exits(4);

    let write = |group: &NewGroup| {
        let (message, sender) = (&group.message, &group.message.sender);
        let message = table.create_message(&message.message_group_uuid, sender, "last", Utc::now());
        runtime().block_on(message).unwrap();
    };
    write(&good);
    write(&bad);
    let drain = ["ddb", "stream", "drain"];
    let run = environment.run(&[&drain, &at[..]].concat()).exits(3);
    assert!(run.stderr.contains("1 group moved, then: "), "{run}");
    environment.run(&[&drain, &at[..]].concat()).exits(4);
    assert!(texts(&good).iter().all(|(_, text)| text == "last"));
    environment.run(&drain).exits(0);
    assert!(texts(&bad).iter().all(|(_, text)| text == "last"));
}
