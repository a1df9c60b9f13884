//! Stands between the library and the engine and does what a busy DynamoDB
//! does: refuses calls, and hands back part of a batch.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{self, Answer, Upstream};

/// What is to happen to a call, given its number from 0 and its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The exception of this name, with HTTP 400.
    Exception(&'static str),
    /// HTTP 500 without a word.
    ServerError,
    /// Every n-th item of a batch comes back, the last first.
    HandBack(usize),
    /// The call is carried out, but the connection is cut before the answer.
    CutAfter,
    /// The answer ends in the middle.
    Truncate,
    /// The answer is well formed and says nothing.
    Empty,
}

type Plan = dyn Fn(u64, &str) -> Fault + Send + Sync;

/// A running proxy.
pub struct FaultProxy {
    pub url: String,
    /// How many calls it saw.
    pub calls: Arc<AtomicU64>,
    /// The number of items in each batch it saw.
    pub batches: Arc<Mutex<Vec<usize>>>,
}

struct State {
    upstream: String,
    plan: Box<Plan>,
    calls: Arc<AtomicU64>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl FaultProxy {
    /// Starts one on this test's runtime.
    pub async fn start(
        upstream: &str,
        plan: impl Fn(u64, &str) -> Fault + Send + Sync + 'static,
    ) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            plan: Box::new(plan),
            calls: Arc::default(),
            batches: Arc::default(),
        });
        let (calls, batches) = (state.calls.clone(), state.batches.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move {
                    let _ = serve(stream, &state).await;
                });
            }
        });
        FaultProxy {
            url,
            calls,
            batches,
        }
    }
}

async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut upstream = Upstream::new(&state.upstream);
    while let Some((head, body)) = http::message(&mut stream).await? {
        let operation = http::operation(&head);
        let number = state.calls.fetch_add(1, Ordering::Relaxed);
        let fault = (state.plan)(number, &operation);
        let mut answer = answer(state, &mut upstream, fault, &operation, &head, body).await?;
        match fault {
            Fault::CutAfter => return Ok(()),
            Fault::Truncate => {
                let bytes = answer.bytes();
                let kept = bytes.len() - answer.body.len().div_ceil(2);
                return stream.write_all(&bytes[..kept]).await;
            }
            Fault::Empty => answer = Answer::new(200, ""),
            _ => {}
        }
        stream.write_all(&answer.bytes()).await?;
    }
    Ok(())
}

async fn answer(
    state: &State,
    upstream: &mut Upstream,
    fault: Fault,
    operation: &str,
    head: &str,
    mut body: Vec<u8>,
) -> std::io::Result<Answer> {
    let mut handed_back = Vec::new();
    let mut table = String::new();
    match fault {
        Fault::Exception(name) => return Ok(Answer::exception(name)),
        Fault::ServerError => return Ok(Answer::new(500, "")),
        _ => {}
    }
    if operation == "BatchWriteItem" {
        let mut request: Value = serde_json::from_slice(&body)?;
        let items = request["RequestItems"].as_object_mut().unwrap();
        let (name, requests) = items.iter_mut().next().unwrap();
        table = name.clone();
        let requests = requests.as_array_mut().unwrap();
        state.batches.lock().unwrap().push(requests.len());
        if let Fault::HandBack(every) = fault {
            let mut kept = Vec::new();
            for (position, request) in std::mem::take(requests).into_iter().enumerate() {
                if position % every == 0 {
                    handed_back.insert(0, request);
                } else {
                    kept.push(request);
                }
            }
            if kept.is_empty() {
                let answer = json!({"UnprocessedItems": {table: handed_back}});
                return Ok(Answer::json(200, &answer));
            }
            *requests = kept;
            body = request.to_string().into_bytes();
        }
    }
    let mut answer = upstream.send(head, &body).await?;
    if !handed_back.is_empty() {
        let mut value: Value = serde_json::from_slice(&answer.body)?;
        value["UnprocessedItems"] = json!({table: handed_back});
        answer = answer.with_body(&value);
    }
    Ok(answer)
}
