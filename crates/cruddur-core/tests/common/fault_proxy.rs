//! Stands between the library and the engine and does what a busy DynamoDB
//! does: refuses calls, and hands back part of a batch.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

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
            upstream: upstream.trim_start_matches("http://").to_owned(),
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
    while let Some((head, body)) = read(&mut stream).await? {
        let operation = head
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("x-amz-target").then_some(value)
            })
            .and_then(|value| value.rsplit('.').next())
            .unwrap_or_default()
            .trim()
            .to_owned();
        let number = state.calls.fetch_add(1, Ordering::Relaxed);
        let fault = (state.plan)(number, &operation);
        let (status, answer) = answer(state, fault, &operation, &head, body).await?;
        match fault {
            Fault::CutAfter => return Ok(()),
            Fault::Truncate => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                stream.write_all(head.as_bytes()).await?;
                return stream.write_all(&answer[..answer.len() / 2]).await;
            }
            Fault::Empty => respond(&mut stream, 200, b"").await?,
            _ => respond(&mut stream, status, &answer).await?,
        }
    }
    Ok(())
}

async fn answer(
    state: &State,
    fault: Fault,
    operation: &str,
    head: &str,
    mut body: Vec<u8>,
) -> std::io::Result<(u16, Vec<u8>)> {
    let mut handed_back = Vec::new();
    let mut table = String::new();
    match fault {
        Fault::Exception(name) => {
            let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "too much at once"});
            return Ok((400, body.to_string().into_bytes()));
        }
        Fault::ServerError => return Ok((500, Vec::new())),
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
                return Ok((200, answer.to_string().into_bytes()));
            }
            *requests = kept;
            body = request.to_string().into_bytes();
        }
    }
    let (status, mut answer) = forward(state, head, &body).await?;
    if !handed_back.is_empty() {
        let mut value: Value = serde_json::from_slice(&answer)?;
        value["UnprocessedItems"] = json!({table: handed_back});
        answer = value.to_string().into_bytes();
    }
    Ok((status, answer))
}

/// The head and the body of the next request or answer on a connection.
async fn read(
    stream: &mut (impl AsyncBufReadExt + Unpin),
) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    loop {
        let start = head.len();
        if stream.read_line(&mut head).await? == 0 {
            return Ok(None);
        }
        if head[start..].trim().is_empty() {
            break;
        }
    }
    let length = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        })
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let start = body.len();
            body.resize(start + size + 2, 0);
            stream.read_exact(&mut body[start..]).await?;
            body.truncate(start + size);
            if size == 0 {
                break;
            }
        }
    }
    Ok(Some((head, body)))
}

async fn forward(state: &State, head: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let mut upstream = BufReader::new(TcpStream::connect(&state.upstream).await?);
    let mut request = String::from("POST / HTTP/1.1\r\n");
    for line in head.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if !["content-length", "connection", "accept-encoding"]
            .iter()
            .any(|skip| name.eq_ignore_ascii_case(skip))
        {
            request.push_str(line.trim_end());
            request.push_str("\r\n");
        }
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    upstream.write_all(request.as_bytes()).await?;
    upstream.write_all(body).await?;
    let (head, body) = read(&mut upstream).await?.unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, body))
}

async fn respond(
    stream: &mut BufReader<TcpStream>,
    status: u16,
    body: &[u8],
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}
