//! What can be typed.

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, ValueEnum};
use cruddur_core::ddb::limits::check_table_name;
use cruddur_core::target::DEFAULT_TABLE;

use crate::commands::Command;

/// What `--version` prints.
pub const NAME: &str = "cruddur";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Run the data of Cruddur: users in PostgreSQL, messages in DynamoDB, sign-ins in Cognito
///
/// Without --prod everything goes to development: the local stack, or the
/// servers that the variables name. `cruddur target` shows which, and why.
#[derive(Debug, Parser)]
#[command(name = NAME, version = VERSION, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The error where two flags exclude each other of which one stands before
    /// the command's name and the other after it: that clap does not see.
    pub fn conflict(&self) -> Option<clap::Error> {
        let (one, other) = match (&self.global, &self.command) {
            (global, _) if global.quiet && global.verbose => ("--quiet", "--verbose"),
            (global, Command::Setup(args)) if global.prod && args.local => ("--prod", "--local"),
            (global, Command::Local(_)) if global.prod => ("--prod", "local"),
            _ => return None,
        };
        let message = format!("the argument '{one}' cannot be used with '{other}'");
        Some(Cli::command().error(ErrorKind::ArgumentConflict, message))
    }
}

/// The flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Talk to production: AWS and PROD_CONNECTION_URL
    #[arg(long, global = true)]
    pub prod: bool,
    /// The AWS region
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// The AWS profile; without --prod only its region is used
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// The address of DynamoDB and its Streams
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The messages table [default: cruddur-messages]
    #[arg(long, global = true, value_name = "NAME", value_parser = table_name)]
    pub table: Option<String>,
    /// The authorities to trust with PostgreSQL's certificate: a file, `system`
    /// for the system's, or `rds` for Amazon RDS's
    #[arg(long, global = true, value_name = "FILE")]
    pub sslrootcert: Option<String>,
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Output,
    /// When to use color
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Print results, warnings and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say on stderr what is talked to
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Never ask; fail where an answer would be needed
    #[arg(long, global = true)]
    pub no_input: bool,
}

impl Global {
    /// What a further command needs behind it to go where this run goes: the
    /// flags that were given, each after a space. What the environment says is
    /// said to that command, too.
    pub fn flags(&self) -> String {
        self.flags_with(self.table.as_deref())
    }

    /// The same for a further command that is about this table.
    pub fn flags_for(&self, table: &str) -> String {
        self.flags_with(Some(table).filter(|table| *table != DEFAULT_TABLE))
    }

    fn flags_with(&self, table: Option<&str>) -> String {
        let mut flags = String::new();
        if self.prod {
            flags += " --prod";
        }
        let given = [
            ("--region", self.region.as_deref()),
            ("--profile", self.profile.as_deref()),
            ("--endpoint-url", self.endpoint_url.as_deref()),
            ("--table", table),
            ("--sslrootcert", self.sslrootcert.as_deref()),
        ];
        for (flag, value) in given {
            if let Some(value) = value {
                flags += &format!(" {flag} {}", quoted(value));
            }
        }
        flags
    }
}

/// A word as it is typed in a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

// What every command that writes takes.
#[derive(Debug, Clone, Copy, Args)]
pub struct DryRun {
    /// Say what would be done, and do not do it
    #[arg(long)]
    pub dry_run: bool,
}

/// The old scripts' last argument, where any text could be meant.
pub fn not_prod(text: &str) -> Result<String, String> {
    match text {
        "prod" => Err("`prod` is no longer taken: use the flag --prod".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// Not every engine says what is wrong with another name.
pub fn table_name(name: &str) -> Result<String, String> {
    check_table_name(name).map(|()| name.to_owned())
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One JSON value a line
    Jsonl,
}

/// When to use color.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
