use std::io::{self, Write as _};

use clap::Args;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::item::{GROUP_PREFIX, Item, MESSAGE_PREFIX, text};
use cruddur_core::ddb::json::write_plain;
use cruddur_core::stream::{
    Applied, Change, Checkpoint, Notice, Sink, Start, StreamRecord, Streams,
};
use cruddur_core::{Error, time};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::args::Output;
use crate::context::Context;
use crate::times::TimeArgs;
use crate::ui::{Out, Ui, printable_line, unread};

#[derive(Debug, Args)]
pub struct TailArgs {
    /// Begin with the oldest record of the stream
    #[arg(long)]
    from_start: bool,
    #[command(flatten)]
    time: TimeArgs,
}

pub async fn tail(context: &Context, args: &TailArgs) -> anyhow::Result<()> {
    if context.ui.output == Output::Json {
        let never = "what is tailed has no end, so it is no JSON document; use -o jsonl";
        return Err(Error::Usage(never.to_owned()).into());
    }
    let table = Table::connect(&context.target).await?;
    let streams = Streams::connect(&context.target).await?;
    let mut sink = Tail {
        ui: context.ui,
        time: &args.time,
        failed: None,
    };
    let start = match args.from_start {
        true => Start::Oldest,
        false => Start::Now,
    };
    context.ui.status(format_args!(
        "showing the stream of {} at {}; Ctrl-C ends it",
        table.name(),
        streams.at()
    ));
    let result = cruddur_core::stream::tail(&table, &streams, start, &mut sink, unread()).await;
    match sink.failed {
        Some(error) => Err(error.into()),
        None => Ok(result?),
    }
}

struct Tail<'a> {
    ui: Ui,
    time: &'a TimeArgs,
    /// Why nothing can be printed any more.
    failed: Option<io::Error>,
}

impl Sink for Tail<'_> {
    fn batch(&mut self, records: &[StreamRecord], _: &Applied) -> Result<(), Error> {
        self.print(records).map_err(|error| {
            self.failed = Some(error);
            Error::Interrupted
        })
    }

    fn checkpoint(&mut self, _: &Checkpoint) -> Result<(), Error> {
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Lost(error) => self.ui.warning(error),
            Notice::Back => self.ui.status("the stream is back"),
            Notice::Replaced => self.ui.status("the table has another stream now"),
            Notice::Gap => self.ui.warning(super::GAP),
        }
    }
}

impl Tail<'_> {
    fn print(&self, records: &[StreamRecord]) -> io::Result<()> {
        if self.ui.output == Output::Jsonl {
            let lines: Vec<Line> = records.iter().map(Line::of).collect();
            return self.ui.lines(&lines);
        }
        let mut out = self.ui.out();
        for record in records {
            match &record.change {
                Ok(change) => self.line(&mut out, change)?,
                Err(reason) => {
                    let line = format!("record {}: {reason}", record.sequence_number);
                    writeln!(out, "{}", printable_line(&line))?;
                }
            }
        }
        out.flush()
    }

    /// Time, kind, who and text.
    fn line(&self, out: &mut Out, change: &Change) -> io::Result<()> {
        let item = change.new_image.as_ref().unwrap_or(&change.keys);
        let at = change.at.map(time::to_key);
        let at = at.as_deref().or_else(|| text(item, "sk"));
        let words = text(item, "message").unwrap_or_default();
        let line = format!(
            "{}  {:<6} {:<7}  {}  {}",
            self.time.show(at.unwrap_or("-")),
            change.kind.to_string(),
            kind(item),
            // Without an image the key is all there is to tell by.
            text(item, "user_handle").unwrap_or(text(item, "pk").unwrap_or("-")),
            words,
        );
        writeln!(out, "{}", printable_line(line.trim_end()))
    }
}

fn kind(item: &Item) -> &'static str {
    match text(item, "pk") {
        Some(pk) if pk.starts_with(MESSAGE_PREFIX) => "message",
        Some(pk) if pk.starts_with(GROUP_PREFIX) => "group",
        _ => "other",
    }
}

/// A record as programs read it.
#[derive(Serialize)]
struct Line {
    sequence_number: String,
    event: Option<String>,
    at: Option<String>,
    keys: Option<Box<RawValue>>,
    new_image: Option<Box<RawValue>>,
    error: Option<String>,
}

impl Line {
    fn of(record: &StreamRecord) -> Line {
        let change = record.change.as_ref();
        Line {
            sequence_number: record.sequence_number.clone(),
            event: change.ok().map(|change| change.kind.to_string()),
            at: change.ok().and_then(|change| change.at).map(time::to_key),
            keys: change.ok().and_then(|change| plain(&change.keys)),
            new_image: change
                .ok()
                .and_then(|change| plain(change.new_image.as_ref()?)),
            error: change.err().cloned(),
        }
    }
}

fn plain(item: &Item) -> Option<Box<RawValue>> {
    let mut json = Vec::new();
    write_plain(&mut json, item);
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}
