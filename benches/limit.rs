//! The limit: what a DynamoDB server can give to a client that does nothing.
//!
//! Raw HTTP/1.1 on kept-alive connections, no SDK and no signature; answers are
//! thrown away once their status is known. Built by the benchmarks, with
//! `rustc -O benches/limit.rs`; the standard library is all it needs.
//!
//! ```text
//! limit HOST:PORT replay CONNECTIONS OPERATION FILE
//!     sends each line of FILE as one request, in any order
//! limit HOST:PORT scan SEGMENTS TABLE [LIMIT]
//!     reads every page of every segment, one connection each
//! ```
//!
//! It prints the seconds from the first request to the last answer.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Instant;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = match words[..] {
        [address, "replay", connections, operation, file] => {
            replay(address, number(connections), operation, file)?
        }
        [address, "scan", segments, table] => scan(address, number(segments), table, None)?,
        [address, "scan", segments, table, limit] => {
            scan(address, number(segments), table, Some(number(limit)))?
        }
        _ => return Err(Error::other("see the head of limit.rs for its arguments")),
    };
    println!("{seconds:.6}");
    Ok(())
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

fn replay(address: &str, connections: usize, operation: &str, file: &str) -> Result<f64> {
    let text = std::fs::read_to_string(file)?;
    let requests: Vec<Vec<u8>> = text.lines().map(|body| request(operation, body)).collect();
    let left = Mutex::new(requests.iter());
    in_turn(connections, |_| {
        let mut connection = Connection::open(address)?;
        loop {
            // A statement of its own, so that the lock ends with it.
            let next = left.lock().unwrap().next();
            match next {
                Some(request) => connection.exchange(request)?,
                None => return Ok(()),
            };
        }
    })
}

fn scan(address: &str, segments: usize, table: &str, limit: Option<usize>) -> Result<f64> {
    let limit = limit.map_or(String::new(), |limit| format!(r#","Limit":{limit}"#));
    in_turn(segments, |segment| {
        let mut connection = Connection::open(address)?;
        let body = format!(
            r#"{{"TableName":"{table}","Segment":{segment},"TotalSegments":{segments}{limit}"#
        );
        let mut start = String::new();
        loop {
            connection.exchange(&request("Scan", &format!("{body}{start}}}")))?;
            match connection.last_key() {
                Some(key) => start = format!(r#","ExclusiveStartKey":{key}"#),
                None => return Ok(()),
            }
        }
    })
}

/// Runs `work` on so many threads, and tells how long that took.
fn in_turn(threads: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

fn request(operation: &str, body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20230324T094501Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=local/20230324/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A connection, and the last body that came over it.
struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let stream = BufReader::with_capacity(64 * 1024, stream);
        let body = Vec::new();
        Ok(Connection { stream, body })
    }

    /// Sends a request and reads its answer, which has to be 200 and to tell
    /// its length, as those of both servers do.
    fn exchange(&mut self, request: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(request)?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = None;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().ok();
                }
                Some(_) => {}
            }
        }
        self.body.resize(
            length.ok_or_else(|| Error::other("an answer without a length"))?,
            0,
        );
        self.stream.read_exact(&mut self.body)?;
        match status.contains(" 200 ") {
            true => Ok(()),
            false => Err(Error::other(
                String::from_utf8_lossy(&self.body).into_owned(),
            )),
        }
    }

    /// The `LastEvaluatedKey` of a page: an object of objects of strings.
    fn last_key(&self) -> Option<&str> {
        let name = br#""LastEvaluatedKey":"#;
        let end = &self.body[self.body.len().saturating_sub(1000)..];
        // It stands first on one server and last on the other.
        let place = |body: &[u8]| body.windows(name.len()).position(|window| window == name);
        let from = match place(end) {
            Some(at) => self.body.len() - end.len() + at,
            None => place(&self.body[..self.body.len().min(1000)])?,
        } + name.len();
        let rest = &self.body[from..];
        let close = rest.windows(2).position(|pair| pair == b"}}")?;
        std::str::from_utf8(&rest[..close + 2]).ok()
    }
}
