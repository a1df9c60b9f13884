use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{running, stack_dir};
use crate::args::Output;
use crate::context::Context;
use crate::stack_variables::variables;

#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The shell to write for: `eval "$(cruddur local env)"`
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Shell {
    #[default]
    Sh,
    Fish,
    Powershell,
}

pub fn env(context: &Context, args: &EnvArgs) -> anyhow::Result<ExitCode> {
    let variables = variables(&running(&stack_dir(context)?)?);
    let ui = &context.ui;
    if ui.output != Output::Table {
        let object: serde_json::Map<_, _> = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        ui.show(&object, |_| Ok(()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = ui.out();
    for (name, value) in variables {
        // No value holds a quote, so quoting is all the escaping there is.
        match args.shell {
            Shell::Sh => writeln!(out, "export {name}='{value}'")?,
            Shell::Fish => writeln!(out, "set -gx {name} '{value}'")?,
            Shell::Powershell => writeln!(out, "$Env:{name} = '{value}'")?,
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
