//! The limit: what a server can give to a client that does nothing.
//!
//! Raw HTTP/1.1 on kept-alive connections, no SDK and no signature; answers are
//! thrown away once their status is known. Built by the benchmarks, with
//! `rustc -O`; the standard library is all it needs.
//!
//! ```text
//! limit HOST:PORT replay CONNECTIONS FILE
//!     sends each line of FILE, an operation and a body, to DynamoDB, in any order
//! limit HOST:PORT scan SEGMENTS TABLE [LIMIT]
//!     reads every page of every segment, one connection each
//! limit HOST:PORT list-users POOL
//!     reads every page of a user pool
//! ```
//!
//! It prints the seconds from the first request to the last answer.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Instant;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = match words[..] {
        [address, "replay", connections, file] => replay(address, number(connections), file)?,
        [address, "scan", segments, table] => scan(address, number(segments), table, None)?,
        [address, "scan", segments, table, limit] => {
            scan(address, number(segments), table, Some(number(limit)))?
        }
        [address, "list-users", pool] => list_users(address, pool)?,
        _ => return Err(Error::other("see the head of limit.rs for its arguments")),
    };
    println!("{seconds:.6}");
    Ok(())
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

fn replay(address: &str, connections: usize, file: &str) -> Result<f64> {
    let mut requests = Vec::new();
    for line in BufReader::new(File::open(file)?).lines() {
        let line = line?;
        let (operation, body) = line.split_once(' ').expect("an operation and a body");
        requests.push(request(&format!("{DYNAMODB}.{operation}"), body));
    }
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
        // The embedded engine reads the whole table for a segment, even the only one.
        let part = match segments {
            1 => String::new(),
            _ => format!(r#","Segment":{segment},"TotalSegments":{segments}"#),
        };
        let body = format!(r#"{{"TableName":"{table}"{part}{limit}"#);
        let mut start = String::new();
        loop {
            let page = format!("{body}{start}}}");
            connection.exchange(&request(&format!("{DYNAMODB}.Scan"), &page))?;
            // The key is an object of objects of strings.
            match connection.find(r#""LastEvaluatedKey""#, "}}") {
                Some(key) => start = format!(r#","ExclusiveStartKey":{key}"#),
                None => return Ok(()),
            }
        }
    })
}

fn list_users(address: &str, pool: &str) -> Result<f64> {
    in_turn(1, |_| {
        let mut connection = Connection::open(address)?;
        let mut token = String::new();
        loop {
            let page = format!(r#"{{"UserPoolId":"{pool}","Limit":60{token}}}"#);
            connection.exchange(&request(&format!("{COGNITO}.ListUsers"), &page))?;
            match connection.find(r#""PaginationToken""#, "\"") {
                Some(next) => token = format!(r#","PaginationToken":{next}"#),
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

const DYNAMODB: &str = "DynamoDB_20120810";
const COGNITO: &str = "AWSCognitoIdentityProviderService";

fn request(target: &str, body: &str) -> Vec<u8> {
    // By which moto knows the service.
    let service = match target.starts_with(COGNITO) {
        true => "cognito-idp",
        false => "dynamodb",
    };
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: {target}\r\nX-Amz-Date: 20230324T094501Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=local/20230324/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A connection, and the last body that came over it.
struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
    /// Whether the server takes no more requests over it, as moto does.
    closed: bool,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            address: address.to_owned(),
            stream: BufReader::with_capacity(64 * 1024, stream),
            closed: false,
            body: Vec::new(),
        })
    }

    /// Sends a request and reads its answer, which has to be 200.
    fn exchange(&mut self, request: &[u8]) -> Result<()> {
        if self.closed {
            *self = Connection::open(&self.address)?;
        }
        self.stream.get_mut().write_all(request)?;
        let status = self.line()?;
        let mut length = None;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok();
            }
            self.closed |= name.eq_ignore_ascii_case("connection") && value == "close";
        }
        self.body.clear();
        match length {
            Some(length) => self.read(length)?,
            None => self.read_chunks()?,
        }
        match status.contains(" 200 ") {
            true => Ok(()),
            false => Err(Error::other(
                String::from_utf8_lossy(&self.body).into_owned(),
            )),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn read(&mut self, length: usize) -> Result<()> {
        let from = self.body.len();
        self.body.resize(from + length, 0);
        self.stream.read_exact(&mut self.body[from..])
    }

    /// A body whose length was not known when it began: DynamoDB Local's larger
    /// ones.
    fn read_chunks(&mut self) -> Result<()> {
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(&size, 16)
                .map_err(|_| Error::other("an answer without a length"))?;
            self.read(size)?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// The value under `name` in a page, up to its `close`.
    fn find(&self, name: &str, close: &str) -> Option<&str> {
        let end = &self.body[self.body.len().saturating_sub(1000)..];
        // It stands first on one server and last on the other.
        let place = |body: &[u8], part: &str| {
            let mut windows = body.windows(part.len());
            windows.position(|window| window == part.as_bytes())
        };
        let from = match place(end, name) {
            Some(at) => self.body.len() - end.len() + at,
            None => place(&self.body[..self.body.len().min(1000)], name)?,
        } + name.len();
        let value = self.body[from..].trim_ascii_start().strip_prefix(b":")?;
        let value = value.trim_ascii_start();
        // Behind what it opens with: a quote, or a brace.
        let to = 1 + place(&value[1..], close)? + close.len();
        std::str::from_utf8(&value[..to]).ok()
    }
}
