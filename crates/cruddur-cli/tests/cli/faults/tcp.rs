//! Stands in front of PostgreSQL and cuts connections, after any number of
//! bytes in either direction, or holds bytes up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::tally::Tally;

/// Longer than any of the delays, of which there is one each way and packet.
const DELAY: Duration = Duration::from_millis(100);

/// A running proxy; it ends when it is dropped.
pub struct TcpProxy {
    /// Host and port.
    pub address: String,
    task: JoinHandle<()>,
}

/// What befalls a connection.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// So many bytes go to the server, and to the client.
    to_server: usize,
    to_client: usize,
    delay: Duration,
}

impl Fate {
    const GOOD: Fate = Fate {
        to_server: usize::MAX,
        to_client: usize::MAX,
        delay: Duration::ZERO,
    };

    fn draw(dice: &mut Dice, percent: usize, tally: &Tally) -> Fate {
        let mut fate = Fate::GOOD;
        if !dice.happens(percent) {
            return fate;
        }
        let bytes = dice.few(14);
        let what = match dice.below(5) {
            0 | 1 => {
                fate.to_server = bytes;
                "cut to PostgreSQL"
            }
            2 | 3 => {
                fate.to_client = bytes;
                "cut from PostgreSQL"
            }
            _ => {
                fate.delay = dice.duration(DELAY);
                "delayed PostgreSQL"
            }
        };
        tally.count(what);
        fate
    }
}

impl TcpProxy {
    pub async fn start(server: &str, mut dice: Dice, tally: Arc<Tally>) -> TcpProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = server.to_owned();
        let percent = dice.one_of(&[5, 20, 50, 100]);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fate = Fate::draw(&mut dice, percent, &tally);
                let server = server.clone();
                tokio::spawn(async move {
                    // Either side may hang up at any time.
                    let _ = serve(client, &server, fate).await;
                });
            }
        });
        TcpProxy { address, task }
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, server: &str, fate: Fate) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The first that ends takes the other along, and both connections.
    tokio::select! {
        result = copy(from_client, to_server, fate.to_server, fate.delay) => result,
        result = copy(from_server, to_client, fate.to_client, fate.delay) => result,
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    most: usize,
    delay: Duration,
) -> io::Result<()> {
    let mut left = most;
    let mut buffer = vec![0; 4096];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let kept = read.min(left);
        to.write_all(&buffer[..kept]).await?;
        left -= kept;
        if left == 0 {
            return Ok(());
        }
    }
}
