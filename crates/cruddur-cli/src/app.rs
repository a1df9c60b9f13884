//! The life of one run, from the arguments to the exit status.

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Cli, NAME, VERSION};
use crate::commands;
use crate::context::Context;
use crate::error;
use crate::ui::{Ui, unless_closed, unwritten};

/// Parses, runs, prints the error if there is one, and says how it ended.
pub fn run() -> ExitCode {
    if is_version(std::env::args_os()) {
        return printed(writeln!(io::stdout(), "{NAME} {VERSION}"));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    if let Some(error) = cli.conflict() {
        return usage(error);
    }
    let ui = Ui::new(&cli.global);
    let context = match Context::new(cli.global.clone(), ui) {
        Ok(context) => context,
        Err(failure) => return error::report(&ui, &cli.global, &failure),
    };
    let result = execute(&context, cli.command);
    match result {
        Ok(code) => code,
        Err(failure) => error::report(&ui, &cli.global, &failure),
    }
}

/// Whether nothing but the version is asked for. Scripts do so to see whether the
/// program is there, and clap's commands and flags take half of the time.
fn is_version(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.skip(1).collect();
    matches!(&arguments[..], [one] if one == "--version" || one == "-V")
}

// Not a part of `run`: what a command's work needs of the stack is touched as
// soon as its function begins, which `--help` need not wait for.
#[inline(never)]
fn execute(context: &Context, command: commands::Command) -> anyhow::Result<ExitCode> {
    let mut builder = match command.workers() {
        0 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    let runtime = builder.enable_all().build()?;
    let result = if command.ends_by_itself() {
        runtime.block_on(unless_interrupted(commands::run(context, command)))
    } else {
        runtime.block_on(commands::run(context, command))
    };
    // A statement that still runs on a thread of its own is not waited for: the
    // server was asked to end it.
    runtime.shutdown_background();
    result
}

/// Drops the command's work when the person or the system asks to stop.
async fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut interruption = Interruption::listen();
    tokio::select! {
        result = work => result,
        () = interruption.recv() => Err(cruddur_core::Error::Interrupted.into()),
    }
}

/// What asks to stop: Ctrl-C, SIGTERM, and the end of the terminal.
///
/// The first that listens takes the signals' own effect away for good, and one
/// that comes while nobody listens is lost. So a command that has something to
/// end in order listens with one value, from its first moment to its last.
pub struct Interruption {
    pub interrupt: Listener,
    pub terminate: Listener,
    pub hangup: Listener,
}

impl Interruption {
    pub fn listen() -> Interruption {
        Interruption {
            interrupt: Listener::new(SignalKind::interrupt()),
            terminate: Listener::new(SignalKind::terminate()),
            hangup: Listener::hangup(),
        }
    }

    /// Returns when one has come since the last call, or since this listens.
    pub async fn recv(&mut self) {
        tokio::select! {
            () = self.interrupt.recv() => {}
            () = self.terminate.recv() => {}
            () = self.hangup.recv() => {}
        }
    }
}

/// Listens for one signal, or for none, where the signal keeps its own effect.
pub struct Listener(Option<Signal>);

impl Listener {
    pub fn new(kind: SignalKind) -> Listener {
        Listener(signal(kind).ok())
    }

    /// For SIGHUP, which comes when the terminal is closed; except under
    /// `nohup`, which is there so that it is ignored.
    pub fn hangup() -> Listener {
        if cruddur_local::hangup_is_ignored() {
            return Listener(None);
        }
        Listener::new(SignalKind::hangup())
    }

    pub async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// Prints what clap has to say: help and version to stdout, errors to stderr.
fn usage(mut error: clap::Error) -> ExitCode {
    let last = std::env::args_os().next_back();
    if last.is_some_and(|last| last == "prod")
        && matches!(
            error.kind(),
            ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
        )
    {
        let command = <Cli as clap::CommandFactory>::command();
        error = clap::Error::raw(
            ErrorKind::UnknownArgument,
            "the argument `prod` is no longer taken: use the flag --prod\n",
        )
        .with_cmd(&command);
    }
    let print = error.print();
    match error.exit_code() {
        0 => printed(print),
        // Nothing is left to tell anyone if even this cannot be printed.
        code => ExitCode::from(u8::try_from(code).unwrap_or(error::FAILED)),
    }
}

/// What the version or a help that was asked for came to.
fn printed(result: io::Result<()>) -> ExitCode {
    match unless_closed(result) {
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", unwritten(error));
            ExitCode::from(error::FAILED)
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}
