//! The binary `cruddur`: arguments in, results out, and the exit status.
//!
//! `run` in [`app`] is the one place that parses, prints an error and decides
//! the exit status; [`context`] settles the target; a file in [`commands`] is
//! a command; [`ui`] prints results and messages.

mod app;
mod args;
mod bar;
mod commands;
mod confirm;
mod context;
mod error;
mod input;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod math;
mod own_file;
mod stack_variables;
mod times;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    let in_full = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        error::tell_of_panic(panic);
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            in_full(panic);
        }
    }));
    std::panic::catch_unwind(app::run).unwrap_or(ExitCode::from(error::FAILED))
}
