use std::io::{self, Write as _};
use std::ops::ControlFlow;

use clap::Args;
use cruddur_core::ddb::Table;
use cruddur_core::ddb::json::{Attributes, Value, write_plain, write_plain_value, write_typed};
use cruddur_core::ddb::scan::{MAX_SEGMENTS, ScanOptions};

use super::MaxCapacity;
use crate::args::Output;
use crate::context::Context;
use crate::ui::{Out, counted, printable, write_table};

/// How many rows are laid out together. A table for people is wider than one
/// row, so some are kept; all of them might not fit into memory.
const ROWS: usize = 1_000;

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Read so many parts of the table at once [default: 1 with --prod,
    /// else what is fastest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SEGMENTS)))]
    segments: Option<u32>,
    /// Show at most so many items
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    pace: MaxCapacity,
    /// Print DynamoDB's typed JSON, which `ddb import` reads back
    #[arg(long)]
    raw: bool,
}

pub async fn scan(context: &Context, args: &ScanArgs) -> anyhow::Result<()> {
    let options = ScanOptions {
        segments: args.segments,
        limit: args.limit,
        max_capacity: args.pace.max_capacity,
        ..ScanOptions::default()
    };
    let table = Table::connect(&context.target).await?;
    let mut printer = Printer::new(context, args.raw);
    let scanned = table
        .scan::<anyhow::Error>(&options, |items| {
            printer.page(items)?;
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    printer.finish()?;
    let ui = &context.ui;
    if scanned.items == 0 {
        ui.status(format_args!(
            "no items in table {} at {}",
            table.name(),
            table.at()
        ));
    }
    super::tell_units(context, scanned.consumed_capacity, "read");
    if scanned.cut {
        ui.warning(format_args!(
            "this ends after {}: there are more than --limit allows",
            counted(scanned.items, "item")
        ));
    }
    Ok(())
}

/// Prints items as they come, in the form that was asked for.
struct Printer<'a> {
    context: &'a Context,
    raw: bool,
    /// `None` where people read it.
    lines: Option<Output>,
    out: Out,
    /// The lines of a page.
    buffer: Vec<u8>,
    rows: Vec<Row>,
    begun: bool,
}

impl<'a> Printer<'a> {
    fn new(context: &'a Context, raw: bool) -> Self {
        Printer {
            context,
            raw,
            lines: match context.ui.output {
                // There is no table of typed JSON; a line an item comes closest.
                Output::Table if raw => Some(Output::Jsonl),
                Output::Table => None,
                output => Some(output),
            },
            out: context.ui.out(),
            buffer: Vec::new(),
            rows: Vec::new(),
            begun: false,
        }
    }

    fn page(&mut self, items: Vec<Attributes<'_>>) -> io::Result<()> {
        let Some(output) = self.lines else {
            for item in &items {
                self.rows.push(row(item));
                if self.rows.len() == ROWS {
                    self.table()?;
                }
            }
            return Ok(());
        };
        self.buffer.clear();
        for item in items {
            if output == Output::Json {
                self.buffer
                    .extend_from_slice(if self.begun { b",\n  " } else { b"[\n  " });
            }
            self.begun = true;
            if self.raw {
                write_typed(&mut self.buffer, item);
            } else {
                write_plain(&mut self.buffer, item);
            }
            if output == Output::Jsonl {
                self.buffer.push(b'\n');
            }
        }
        // A page a time reaches whoever reads along.
        self.out.write_all(&self.buffer)?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.lines {
            Some(Output::Json) if self.begun => self.out.write_all(b"\n]\n")?,
            Some(Output::Json) => self.out.write_all(b"[]\n")?,
            Some(_) => {}
            None => {
                if !self.rows.is_empty() || !self.begun {
                    self.table()?;
                }
            }
        }
        self.out.flush()
    }

    fn table(&mut self) -> io::Result<()> {
        self.begun = true;
        let headings = ["pk", "sk", "handle", "message", "other attributes"];
        let mut table = self.context.ui.table(&headings);
        table.add_rows(self.rows.drain(..));
        write_table(&mut self.out, &table)?;
        self.out.flush()
    }
}

type Row = [String; 5];

fn row(item: &Attributes<'_>) -> Row {
    let cell = |name: &str| printable(item.text(name).unwrap_or("-"));
    [
        cell("pk"),
        cell("sk"),
        cell("user_handle"),
        cell("message"),
        others(item),
    ]
}

/// The attributes that the app's own items have not, and those of other types.
fn others(item: &Attributes<'_>) -> String {
    const SHOWN: [&str; 4] = ["pk", "sk", "user_handle", "message"];
    // Uuids, and a name that the handle tells as well.
    const LEFT_OUT: [&str; 4] = [
        "message_uuid",
        "message_group_uuid",
        "user_uuid",
        "user_display_name",
    ];
    let mut shown = Vec::new();
    for (name, value) in item.iter() {
        let known = SHOWN.contains(&name) || LEFT_OUT.contains(&name);
        if known && matches!(value, Value::S(_)) {
            continue;
        }
        if !shown.is_empty() {
            shown.push(b' ');
        }
        shown.extend_from_slice(name.as_bytes());
        shown.push(b'=');
        write_plain_value(&mut shown, value);
    }
    printable(&String::from_utf8_lossy(&shown))
}
