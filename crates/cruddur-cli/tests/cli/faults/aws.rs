//! Stands in front of DynamoDB, its streams, or Cognito, and does to requests
//! and answers what networks and busy services do.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::pages::Pages;
use super::tally::Tally;
use crate::http::{self, Answer, Upstream};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Answers with this exception instead of carrying the request out.
    Exception(&'static str),
    /// Answers with this status and nothing else.
    Status(u16),
    /// Hangs up before the engine sees anything of the request.
    CutBefore,
    /// Hangs up when the engine has seen half of it.
    CutInside,
    /// Hangs up when the request was carried out.
    CutAfter,
    /// Hangs up in the middle of the answer.
    Truncate,
    Delay,
    /// Another letter somewhere in the answer than its checksum stands for.
    WrongChecksum,
    /// Answers with an empty page that is not the last.
    EmptyPage,
    /// Answers with the token that the page was asked for with.
    RepeatedToken,
    /// Returns some requests of a batch, in another order.
    HandBack,
}

impl Fault {
    fn name(self) -> String {
        match self {
            Fault::Exception(name) => name.to_owned(),
            Fault::Status(status) => format!("HTTP {status}"),
            other => format!("{other:?}"),
        }
    }
}

/// What may befall any request.
const ANY: [Fault; 8] = [
    Fault::Status(500),
    Fault::Status(503),
    Fault::CutBefore,
    Fault::CutInside,
    Fault::CutAfter,
    Fault::Truncate,
    Fault::Delay,
    Fault::WrongChecksum,
];
const DYNAMODB_IS_BUSY: [Fault; 3] = [
    Fault::Exception("ProvisionedThroughputExceededException"),
    Fault::Exception("ThrottlingException"),
    Fault::Exception("RequestLimitExceeded"),
];
const COGNITO_IS_BUSY: [Fault; 1] = [Fault::Exception("TooManyRequestsException")];

/// Longer than any of the delays.
const DELAY: Duration = Duration::from_millis(300);

/// A running proxy; it ends when it is dropped.
pub struct AwsProxy {
    pub url: String,
    task: JoinHandle<()>,
}

struct State {
    engine: String,
    dice: Mutex<Dice>,
    /// How many requests of a hundred meet a fault.
    percent: usize,
    /// How many requests are left until the server is gone for good.
    lifetime: AtomicUsize,
    gone: Notify,
    pages: Mutex<Pages>,
    tally: Arc<Tally>,
}

/// A request, read and understood.
struct Call {
    head: String,
    operation: String,
    asked: Value,
}

impl AwsProxy {
    pub async fn start(engine: &str, mut dice: Dice, tally: Arc<Tally>) -> AwsProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            engine: engine.to_owned(),
            percent: dice.one_of(&[10, 20, 40, 60]),
            lifetime: AtomicUsize::new(match dice.happens(20) {
                true => dice.few(5),
                false => usize::MAX,
            }),
            gone: Notify::new(),
            pages: Mutex::new(Pages::new(dice.one_of(&[None, Some(3), Some(20)]))),
            dice: Mutex::new(dice),
            tally,
        };
        let task = tokio::spawn(Arc::new(state).listen(listener));
        AwsProxy { url, task }
    }
}

impl Drop for AwsProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Takes connections until the server is gone.
    async fn listen(self: Arc<Self>, listener: TcpListener) {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                () = self.gone.notified() => return,
            };
            let state = self.clone();
            tokio::spawn(async move {
                // A client that hangs up is none of the proxy's business.
                let _ = state.serve(stream).await;
            });
        }
    }

    /// Answers the requests of a connection until a fault cuts it.
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(stream);
        let mut engine = Upstream::new(&self.engine);
        while let Some(call) = Call::read(&mut client).await? {
            if self.lives_on() {
                let fault = self.draw(&call);
                let Some(bytes) = self.answer(&mut engine, fault, &call).await? else {
                    return Ok(());
                };
                client.write_all(&bytes).await?;
                if fault == Some(Fault::Truncate) {
                    return Ok(());
                }
            } else {
                self.tally.count("server gone");
                self.gone.notify_one();
                return Ok(());
            }
        }
        Ok(())
    }

    fn lives_on(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        let left = self
            .lifetime
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        left.is_ok()
    }

    /// What befalls a request, if anything.
    fn draw(&self, call: &Call) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap();
        if !dice.happens(self.percent) {
            return None;
        }
        let busy: &[Fault] = match call.operation.as_str() {
            "ListUsers" => &COGNITO_IS_BUSY,
            _ => &DYNAMODB_IS_BUSY,
        };
        let fault = match dice.below(4) {
            0 => dice.one_of(busy),
            1 if call.operation == "BatchWriteItem" => Fault::HandBack,
            1 if Pages::come_from(&call.operation) => Fault::EmptyPage,
            // No list survives it, so that more of it would hide the rest.
            2 if Pages::has_start(&call.operation, &call.asked) && dice.happens(5) => {
                Fault::RepeatedToken
            }
            _ => dice.one_of(&ANY),
        };
        self.tally.count(&fault.name());
        Some(fault)
    }

    /// What the client gets to see; nothing where the connection is cut.
    async fn answer(
        &self,
        engine: &mut Upstream,
        fault: Option<Fault>,
        call: &Call,
    ) -> io::Result<Option<Vec<u8>>> {
        let answer = match fault {
            None => self.forward(engine, call).await?,
            Some(Fault::Exception(name)) => Answer::exception(name),
            Some(Fault::Status(status)) => Answer::new(status, ""),
            Some(Fault::CutBefore) => return Ok(None),
            Some(Fault::CutInside) => {
                engine.send_half(&call.head, &call.body()).await?;
                return Ok(None);
            }
            Some(Fault::CutAfter) => {
                self.forward(engine, call).await?;
                return Ok(None);
            }
            Some(Fault::Truncate) => {
                let answer = self.forward(engine, call).await?;
                let mut bytes = answer.bytes();
                bytes.truncate(bytes.len() - answer.body.len().div_ceil(2));
                return Ok(Some(bytes));
            }
            Some(Fault::Delay) => {
                let pause = self.dice.lock().unwrap().duration(DELAY);
                tokio::time::sleep(pause).await;
                self.forward(engine, call).await?
            }
            Some(Fault::WrongChecksum) => {
                let answer = self.forward(engine, call).await?;
                damaged(answer, &mut self.dice.lock().unwrap())
            }
            Some(Fault::EmptyPage) => {
                let mut pages = self.pages.lock().unwrap();
                Answer::json(200, &pages.empty(&call.operation, &call.asked))
            }
            Some(Fault::RepeatedToken) => {
                let answer = self.forward(engine, call).await?;
                changed(answer, |page| {
                    Pages::repeat(&call.operation, &call.asked, page);
                })?
            }
            Some(Fault::HandBack) => self.hand_back(engine, call).await?,
        };
        Ok(Some(answer.bytes()))
    }

    /// Has the engine carry a request out.
    async fn forward(&self, engine: &mut Upstream, call: &Call) -> io::Result<Answer> {
        let asked = self
            .pages
            .lock()
            .unwrap()
            .resolved(&call.operation, &call.asked);
        engine.send(&call.head, asked.to_string().as_bytes()).await
    }

    /// Has a part of a batch carried out.
    async fn hand_back(&self, engine: &mut Upstream, call: &Call) -> io::Result<Answer> {
        let mut batch = call.asked.clone();
        let back = take_out(&mut batch, &mut self.dice.lock().unwrap());
        if batch["RequestItems"] == json!({}) {
            return Ok(Answer::json(200, &json!({"UnprocessedItems": back})));
        }
        let kept = batch.to_string();
        let answer = engine.send(&call.head, kept.as_bytes()).await?;
        changed(answer, |value| value["UnprocessedItems"] = json!(back))
    }
}

impl Call {
    async fn read(client: &mut BufReader<TcpStream>) -> io::Result<Option<Call>> {
        let Some((head, body)) = http::message(client).await? else {
            return Ok(None);
        };
        Ok(Some(Call {
            operation: http::operation(&head),
            asked: serde_json::from_slice(&body)?,
            head,
        }))
    }

    fn body(&self) -> Vec<u8> {
        self.asked.to_string().into_bytes()
    }
}

/// An answer with one letter changed, and the checksum of what it was.
fn damaged(mut answer: Answer, dice: &mut Dice) -> Answer {
    // Cognito's answers have none.
    if !answer.headers.iter().any(|line| http::is_checksum(line)) {
        answer.headers.push("x-amz-crc32: 1".to_owned());
    }
    let letters = answer
        .body
        .iter_mut()
        .filter(|byte| byte.is_ascii_alphanumeric());
    let mut letters: Vec<&mut u8> = letters.collect();
    if !letters.is_empty() {
        let at = dice.below(letters.len());
        *letters[at] = if *letters[at] == b'x' { b'y' } else { b'x' };
    }
    answer
}

/// An answer of success with its body changed; a refusal stays as it is.
fn changed(answer: Answer, change: impl FnOnce(&mut Value)) -> io::Result<Answer> {
    if answer.status != 200 {
        return Ok(answer);
    }
    let mut body = serde_json::from_slice(&answer.body)?;
    change(&mut body);
    Ok(answer.with_body(&body))
}

/// Takes some requests out of a batch, at least one, and turns them around.
fn take_out(batch: &mut Value, dice: &mut Dice) -> HashMap<String, Vec<Value>> {
    let tables = batch["RequestItems"].as_object_mut().unwrap();
    let mut back = HashMap::new();
    for (table, requests) in tables.iter_mut() {
        let requests = requests.as_array_mut().unwrap();
        let certain = dice.below(requests.len());
        let mut position = 0;
        let taken = requests.extract_if(.., |_| {
            position += 1;
            position - 1 == certain || dice.happens(30)
        });
        back.insert(table.clone(), taken.collect::<Vec<_>>());
    }
    for returned in back.values_mut() {
        returned.reverse();
    }
    tables.retain(|_, requests| *requests != json!([]));
    back
}
