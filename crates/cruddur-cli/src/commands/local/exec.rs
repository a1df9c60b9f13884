use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use clap::Args;
use cruddur_local::State;

use super::{ephemeral, running, stack_dir};
use crate::commands::stay_there;
use crate::context::Context;
use crate::stack_variables::variables;

#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Run it with a stack of its own, set up and seeded, that ends with it
    #[arg(long)]
    pub ephemeral: bool,
    /// Do not move conversations when messages are written
    #[arg(long, requires = "ephemeral")]
    pub no_stream: bool,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub async fn exec(context: &Context, args: &ExecArgs) -> anyhow::Result<ExitCode> {
    if args.ephemeral {
        return ephemeral::exec(context, args).await;
    }
    let state = running(&stack_dir(context)?)?;
    // The command takes this process's place, so signals, its exit status and
    // its terminal are its own.
    let error = args.command(&state).exec();
    Ok(args.not_run(context, &error))
}

impl ExecArgs {
    /// The command with the variables of a stack.
    pub fn command(&self, state: &State) -> Command {
        let (program, arguments) = self.split();
        let mut command = Command::new(program);
        command.args(arguments);
        stay_there(&mut command);
        command.envs(variables(state));
        command
    }

    /// Says why the command cannot be run; the status is the one that `env`,
    /// `nohup` and the shells use.
    pub fn not_run(&self, context: &Context, error: &io::Error) -> ExitCode {
        let program = self.split().0.display();
        let (why, status) = match error.kind() {
            ErrorKind::NotFound => ("there is no such program".to_owned(), 127),
            ErrorKind::PermissionDenied => ("permission denied".to_owned(), 126),
            _ => (error.to_string(), 126),
        };
        context
            .ui
            .error(format_args!("cannot run {program}: {why}"));
        ExitCode::from(status)
    }

    fn split(&self) -> (&OsString, &[OsString]) {
        match self.command.split_first() {
            Some(split) => split,
            None => unreachable!("clap requires a command"),
        }
    }
}
