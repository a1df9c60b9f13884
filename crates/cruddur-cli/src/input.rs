//! What is read from a file that was named, or from standard input.
//!
//! Whoever writes to a pipe may take forever, so a read has a thread of its
//! own: on the one that hears Ctrl-C it would keep the run from ending.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _};
use std::path::Path;

use cruddur_core::Error;

/// What a file holds, from its beginning.
pub type Source = Box<dyn BufRead + Send>;

/// Opens a file; `-` is standard input.
pub async fn open(file: &Path) -> anyhow::Result<Source> {
    read(file, Ok).await
}

/// The whole of a file as text; `-` is standard input. The error names the line
/// that is none.
pub async fn text(file: &Path) -> anyhow::Result<String> {
    let bytes = read(file, |mut source| {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
    .await?;
    Ok(utf8(file, bytes)?)
}

/// Opens a file, which waits for a pipe's other end, and takes what is wanted.
async fn read<T: Send + 'static>(
    file: &Path,
    take: impl FnOnce(Source) -> io::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let path = file.to_owned();
    let taken = tokio::task::spawn_blocking(move || source(&path).and_then(take)).await?;
    Ok(taken.map_err(|error| unreadable(file, &error))?)
}

fn source(file: &Path) -> io::Result<Source> {
    const BUFFER: usize = 64 * 1024;
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, io::stdin())));
    }
    Ok(Box::new(BufReader::with_capacity(
        BUFFER,
        File::open(file)?,
    )))
}

fn unreadable(file: &Path, error: &io::Error) -> Error {
    let file = file.display().to_string();
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound(format!("there is no file {file}")),
        _ => Error::Input {
            file,
            line: None,
            message: format!("it cannot be read: {error}"),
        },
    }
}

fn utf8(file: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let ends = before.iter().filter(|byte| **byte == b'\n').count();
        Error::Input {
            file: file.display().to_string(),
            line: Some(ends as u64 + 1),
            message: "this is not UTF-8".to_owned(),
        }
    })
}
