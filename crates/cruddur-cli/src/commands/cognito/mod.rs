//! `cruddur cognito`: the user pool.

mod list_users;

use clap::Subcommand;

use crate::context::Context;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CognitoCommand {
    /// List every user of the pool
    ListUsers(list_users::ListUsersArgs),
}

pub async fn run(context: &Context, command: CognitoCommand) -> anyhow::Result<()> {
    match command {
        CognitoCommand::ListUsers(args) => list_users::list_users(context, &args).await,
    }
}
