//! HTTP/1.1, as far as a proxy between an AWS client and an engine needs it.
//! All proxies of the tests stand on it; what each of them does to a request
//! is its own affair.

#![allow(dead_code, reason = "no proxy uses all of it")]

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The head and the body of the next request or answer on a connection.
pub async fn message(stream: &mut BufReader<TcpStream>) -> io::Result<Option<(String, Vec<u8>)>> {
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
    if header(&head, "transfer-encoding").is_some_and(|how| how.contains("chunked")) {
        let body = chunks(stream).await?;
        return Ok(Some((head, body)));
    }
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Some((head, body)))
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        let start = body.len();
        // A chunk ends with a line break.
        body.resize(start + size + 2, 0);
        stream.read_exact(&mut body[start..]).await?;
        body.truncate(start + size);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// The value of a header.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (other, value) = line.split_once(':')?;
        other.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// `Query`, `ListUsers` and so on.
pub fn operation(head: &str) -> String {
    let target = header(head, "x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

/// An answer, the engine's or one made up.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    /// Header lines, without those that frame the body.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: vec!["content-type: application/x-amz-json-1.0".to_owned()],
            body: body.into(),
        }
    }

    pub fn json(status: u16, body: &Value) -> Answer {
        Answer::new(status, body.to_string())
    }

    /// An exception as the services answer with it.
    pub fn exception(name: &str) -> Answer {
        let kind = format!("com.amazonaws.dynamodb.v20120810#{name}");
        Answer::json(400, &json!({"__type": kind, "message": "made up"}))
    }

    /// With another body, and so without the checksum of the one before.
    pub fn with_body(mut self, body: &Value) -> Answer {
        self.headers.retain(|line| !is_checksum(line));
        self.body = body.to_string().into_bytes();
        self
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} X\r\n", self.status);
        for line in &self.headers {
            bytes += &format!("{line}\r\n");
        }
        bytes += &format!("content-length: {}\r\n\r\n", self.body.len());
        [bytes.as_bytes(), &self.body].concat()
    }
}

/// Whether a header line has the checksum of an answer's body.
pub fn is_checksum(line: &str) -> bool {
    line.to_ascii_lowercase().starts_with("x-amz-crc32:")
}

/// The engine, by one connection that is opened when it is needed.
pub struct Upstream {
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Upstream {
    pub fn new(url: &str) -> Upstream {
        Upstream {
            address: url.trim_start_matches("http://").to_owned(),
            stream: None,
        }
    }

    /// Has a request carried out.
    pub async fn send(&mut self, head: &str, body: &[u8]) -> io::Result<Answer> {
        let request = request(head, body);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(&self.address).await?),
        };
        stream.write_all(&request).await?;
        let answer = message(&mut stream).await?;
        let (head, body) = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.stream = Some(stream);
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            headers: lines_without(
                &head,
                &["content-length", "transfer-encoding", "connection"],
            ),
            body,
        })
    }

    /// Sends the first half of a request and hangs up.
    pub async fn send_half(&mut self, head: &str, body: &[u8]) -> io::Result<()> {
        let request = request(head, body);
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(&request[..request.len() / 2]).await
    }
}

fn request(head: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("{}\r\n", head.lines().next().unwrap_or_default());
    // The proxy reads no compressed answers.
    for line in lines_without(head, &["content-length", "connection", "accept-encoding"]) {
        request += &format!("{line}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n", body.len());
    [request.as_bytes(), body].concat()
}

fn lines_without(head: &str, left_out: &[&str]) -> Vec<String> {
    let lines = head.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines
        .filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !left_out.iter().any(|out| name.eq_ignore_ascii_case(out))
        })
        .map(|line| line.trim_end().to_owned())
        .collect()
}
