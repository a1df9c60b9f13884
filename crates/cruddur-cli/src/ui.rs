//! Results go to stdout from here, and everything else to stderr.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::args::{Color, Global, Output};

/// How this run talks to its person or program.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// The form of results.
    pub output: Output,
    quiet: bool,
    /// Whether the person wants to know more.
    pub verbose: bool,
    color: bool,
    /// Whether a question can be asked: stdin and stderr are terminals, and
    /// `--no-input` was not given.
    pub can_ask: bool,
    /// Whether a bar may be drawn.
    pub bars: bool,
    /// The terminal's width, where stdout is one.
    width: Option<u16>,
}

impl Ui {
    /// Looks at the flags, the streams and `NO_COLOR`.
    pub fn new(global: &Global) -> Ui {
        let stderr = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Ui {
            output: global.output,
            quiet: global.quiet,
            verbose: global.verbose,
            color: match global.color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => stderr && !no_color,
            },
            can_ask: !global.no_input && stderr && io::stdin().is_terminal(),
            bars: stderr && !global.quiet,
            width: width(),
        }
    }

    /// The same, with results, warnings and errors only; those who asked to
    /// know more still get everything.
    pub fn quieter(self) -> Ui {
        Ui {
            quiet: !self.verbose,
            ..self
        }
    }

    /// Says what is going on.
    pub fn status(&self, text: impl Display) {
        if !self.quiet {
            tell("", text);
        }
    }

    /// Says what is going on while a bar may be drawn, which then goes on below.
    pub fn status_beside_bar(&self, text: impl Display) {
        if !self.quiet {
            tell(if self.bars { "\r\x1b[2K" } else { "" }, text);
        }
    }

    /// Says something that the person may want to act on.
    pub fn warning(&self, text: impl Display) {
        tell(&self.label("33", "warning:"), text);
    }

    /// Says why the run failed.
    pub fn error(&self, text: impl Display) {
        tell(&self.label("1;31", "error:"), text);
    }

    /// Says what `--quiet` does not hide: that there is more, what a question is
    /// about, what a log has to say about an error.
    pub fn detail(&self, text: impl Display) {
        tell("", text);
    }

    /// Says what to do about it.
    pub fn hint(&self, text: impl Display) {
        tell(&self.label("36", "hint:"), text);
    }

    /// Asks a question and returns the answer without the spaces around it. The
    /// answer is waited for on another thread, so that this one hears Ctrl-C.
    pub async fn ask(self, question: String) -> io::Result<String> {
        let ask = move || self.ask_and_block(question);
        tokio::task::spawn_blocking(ask).await?
    }

    fn ask_and_block(&self, question: impl Display) -> io::Result<String> {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{} ", printable(&question.to_string()))?;
        stderr.flush()?;
        drop(stderr);
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Goes on only if the answer to `question` is yes; where nobody can be asked,
    /// `flag` has to have been given. For commands that do not listen
    /// for signals yet, so that Ctrl-C ends them.
    pub fn confirm(&self, question: impl Display, flag: &str) -> anyhow::Result<()> {
        if !self.can_ask {
            let needed = format!("this needs {flag} where nobody can be asked");
            return Err(cruddur_core::Error::Refused(needed).into());
        }
        let answer = self.ask_and_block(question)?.to_lowercase();
        if !["y", "yes"].contains(&answer.as_str()) {
            let refused = "not confirmed, so nothing was changed".to_owned();
            return Err(cruddur_core::Error::Refused(refused).into());
        }
        Ok(())
    }

    /// Prints one result: as JSON, or in the form for people that `human` writes. That
    /// nobody reads it is no error.
    pub fn show<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = self.out();
        let written = self.write(&mut out, value, human);
        unless_closed(written.and_then(|()| out.flush()))
    }

    /// Prints a list: as one JSON array, one value a line, or for people. That nobody
    /// reads it is no error.
    pub fn list<T: Serialize>(
        &self,
        values: &[T],
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = self.out();
        let written = self.write_list(&mut out, values, human);
        unless_closed(written.and_then(|()| out.flush()))
    }

    /// Prints values as they arrive, one a line.
    ///
    /// # Errors
    ///
    /// Also where nobody reads them any more, so that no more are asked for.
    pub fn lines<T: Serialize>(&self, values: &[T]) -> io::Result<()> {
        let mut out = self.out();
        json_lines(&mut out, values)?;
        out.flush()
    }

    /// Writes a list as [`Self::list`] prints it, for a caller that may not print it yet.
    pub fn write_list<T: Serialize>(
        &self,
        mut out: impl Write,
        values: &[T],
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.output {
            Output::Jsonl => json_lines(&mut out, values),
            _ => self.write(out, &values, human),
        }
    }

    fn write<T: Serialize>(
        &self,
        mut out: impl Write,
        value: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.output {
            Output::Table => human(&mut out),
            Output::Json => json(out, value, true),
            Output::Jsonl => json(out, value, false),
        }
    }

    /// Prints a list that comes with figures about it: as one JSON object, its
    /// items one a line, or for people.
    pub fn found<T: Serialize, I: Serialize>(
        &self,
        value: &T,
        items: &[I],
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.output {
            Output::Jsonl => self.list(items, human),
            _ => self.show(value, human),
        }
    }

    /// Stdout, locked and buffered, for results that come in pieces.
    pub fn out(&self) -> Out {
        BufWriter::with_capacity(64 * 1024, Results(io::stdout().lock()))
    }

    /// An empty table of the terminal's width with these headings.
    pub fn table(&self, headings: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
        match self.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic);
                table.set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        table
    }

    /// What a line begins with.
    fn label(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m ")
        } else {
            format!("{text} ")
        }
    }
}

/// Says something after what may steer the terminal. What is said may come from
/// the data or a server, and may not.
fn tell(label: &str, text: impl Display) {
    let text = printable(&text.to_string());
    // Where stderr is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{label}{text}");
}

/// Buffered stdout.
pub type Out = BufWriter<Results>;

/// Stdout, whose errors say what could not be written.
pub struct Results(StdoutLock<'static>);

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(unwritten)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(unwritten)
    }
}

/// Says of what did not reach stdout that this was the result.
pub fn unwritten(error: io::Error) -> io::Error {
    let sentence = format!("the result cannot be written: {error}");
    io::Error::new(error.kind(), sentence)
}

/// What came of printing a result, where who has closed the pipe has seen enough of it:
/// whether the work succeeded is not theirs to say.
pub fn unless_closed(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Waits until nobody reads stdout any more, as of a pipe to a program that has
/// ended. For whoever may have nothing to print for long, and so would not learn it.
pub async fn unread() {
    // SAFETY: stdout stays what it is for as long as the process runs.
    let registered = unsafe { AsyncFd::register_with_interest(io::stdout(), Interest::ERROR) };
    if let Ok(stdout) = registered
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    // A file has no reader.
    std::future::pending().await
}

/// Writes a table without the spaces that pad its right edge.
pub fn write_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        // The first column's padding would indent the whole table.
        writeln!(
            out,
            "{}",
            line.strip_prefix(' ').unwrap_or(&line).trim_end()
        )?;
    }
    Ok(())
}

/// Text from the data, made safe for a terminal: line breaks stay, other
/// control characters (an escape sequence, say) are shown as `�`, and so is what
/// would turn the direction of the rest of the line.
pub fn printable(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| match c {
            '\n' => c,
            '\t' => ' ',
            '\u{2028}' | '\u{2029}' => '\n',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// The same of what is to stay on one line.
pub fn printable_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// A number with its noun, such as `1 group` and `2 groups`.
pub fn counted(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

fn json_lines<T: Serialize>(mut out: impl Write, values: &[T]) -> io::Result<()> {
    values
        .iter()
        .try_for_each(|value| json(&mut out, value, false))
}

fn json<T: Serialize>(mut out: impl Write, value: &T, pretty: bool) -> io::Result<()> {
    let result = if pretty {
        serde_json::to_writer_pretty(&mut out, value)
    } else {
        serde_json::to_writer(&mut out, value)
    };
    result.map_err(io::Error::from)?;
    writeln!(out)
}

/// The width to wrap at: the terminal's, or that of `COLUMNS` where stdout is
/// none. Without either nothing is wrapped, so that programs see whole lines.
fn width() -> Option<u16> {
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((terminal_size::Width(width), _)) => Some(width),
        // A shell without a terminal may say 0.
        None => std::env::var("COLUMNS")
            .ok()?
            .parse()
            .ok()
            .filter(|&width| width > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{printable, printable_line};

    #[test]
    fn texts_cannot_steer_the_terminal() {
        for (text, shown) in [
            ("é 👩\u{200d}🚀\nשלום", "é 👩\u{200d}🚀\nשלום"),
            ("a\r\nb\tc\u{2028}d", "a\nb c\nd"),
            ("\u{1b}[2J\r\u{85}", "�[2J��"),
            ("\u{202e}abc\u{2066}", "�abc�"),
        ] {
            assert_eq!(printable(text), shown);
        }
        let group = "\u{1b}[31mX\r\nmoved FAKE";
        assert_eq!(printable_line(group), "�[31mX moved FAKE");
    }
}
