//! Stands between a worker and the engine: counts the calls, cuts the worker
//! off before or after one, and answers in the engine's place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::http::{self, Answer, Upstream};

/// One request.
pub struct Call {
    /// `Query`, `TransactWriteItems`, …
    pub operation: String,
    pub body: Value,
}

impl Call {
    /// Whether it reads the index, which may lag behind the table.
    pub fn reads_index(&self) -> bool {
        self.operation == "Query" && self.body.get("IndexName").is_some()
    }
}

/// What becomes of a request.
pub enum Action {
    Forward,
    /// The worker dies before the engine hears of it.
    CutBefore,
    /// The engine does it, and the worker dies before it hears of that.
    CutAfter,
    /// The engine does it, but the connection breaks before the answer.
    LoseAnswer,
    /// The engine's answer to the same request the last time, if there was one.
    AnswerOld,
    Answer(u16, Value),
}

type Decide = dyn Fn(&Call) -> Action + Send + Sync;

pub struct Proxy {
    pub url: String,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    engine: String,
    decide: Box<Decide>,
    counts: Mutex<HashMap<String, usize>>,
    old: Mutex<HashMap<String, Answer>>,
    cut: Notify,
}

impl Proxy {
    pub async fn start(
        engine: &str,
        decide: impl Fn(&Call) -> Action + Send + Sync + 'static,
    ) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            engine: engine.to_owned(),
            decide: Box::new(decide),
            counts: Mutex::default(),
            old: Mutex::default(),
            cut: Notify::new(),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                tokio::spawn(async move { state.serve(stream).await });
            }
        });
        Proxy { url, state, task }
    }

    /// Loses the answer to the first request of an operation.
    pub async fn losing_first(engine: &str, operation: &'static str) -> Proxy {
        let first = AtomicBool::new(true);
        Proxy::start(engine, move |call| {
            match call.operation == operation && first.swap(false, Ordering::SeqCst) {
                true => Action::LoseAnswer,
                false => Action::Forward,
            }
        })
        .await
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        let counts = self.state.counts.lock().unwrap();
        counts.get(operation).copied().unwrap_or_default()
    }

    /// Runs a worker until it is done or cut off.
    pub async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = work => Some(result),
            () = self.state.cut.notified() => None,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn serve(&self, stream: TcpStream) {
        let mut client = BufReader::new(stream);
        let mut engine = Upstream::new(&self.engine);
        while let Ok(Some((head, body))) = http::message(&mut client).await {
            let call = Call {
                operation: http::operation(&head),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let count = |counts: &mut HashMap<String, usize>| {
                *counts.entry(call.operation.clone()).or_default() += 1;
            };
            count(&mut self.counts.lock().unwrap());
            let key = call.body.to_string();
            let action = (self.decide)(&call);
            let answer = match action {
                Action::CutBefore => return self.cut_off(&mut client).await,
                Action::Answer(status, body) => Answer::json(status, &body),
                Action::AnswerOld if self.old(&key).is_some() => self.old(&key).unwrap(),
                Action::CutAfter => {
                    let _ = engine.send(&head, &body).await;
                    return self.cut_off(&mut client).await;
                }
                Action::LoseAnswer => {
                    let _ = engine.send(&head, &body).await;
                    return;
                }
                Action::Forward | Action::AnswerOld => {
                    let Ok(answer) = engine.send(&head, &body).await else {
                        return;
                    };
                    if call.reads_index() {
                        self.old.lock().unwrap().insert(key, answer.clone());
                    }
                    answer
                }
            };
            if client.write_all(&answer.bytes()).await.is_err() {
                return;
            }
        }
    }

    fn old(&self, key: &str) -> Option<Answer> {
        self.old.lock().unwrap().get(key).cloned()
    }

    /// Says that the worker is dead, and keeps the connection silent until it
    /// really is.
    async fn cut_off(&self, client: &mut BufReader<TcpStream>) {
        self.cut.notify_one();
        let _ = client.read(&mut [0]).await;
    }
}

/// An exception as DynamoDB answers with it.
pub fn exception(name: &str) -> Action {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{name}");
    Action::Answer(
        400,
        serde_json::json!({"__type": kind, "message": "made up"}),
    )
}

/// How DynamoDB cancels a transaction: a reason an action.
pub fn canceled(reason: &str, actions: usize) -> Value {
    serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": vec![serde_json::json!({"Code": reason}); actions],
    })
}
