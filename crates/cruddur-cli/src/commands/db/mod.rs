//! `cruddur db`: the database of users and activities.

mod connect;
mod create;
mod drop;
pub mod load;
mod schema_load;
mod seed;
mod sessions;
mod setup;
mod update_cognito_user_ids;
mod users;

pub use connect::INSTALL_PSQL;

use clap::Subcommand;
use cruddur_core::db::Database;
use cruddur_core::db::admin::Contents;

use crate::context::Context;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum DbCommand {
    /// Begin anew: drop, create, schema-load, seed, update-cognito-user-ids
    Setup(setup::SetupArgs),
    /// Create the database
    Create(create::CreateArgs),
    /// Drop the database
    Drop(drop::DropArgs),
    /// Create the tables and columns that are missing; drops nothing
    SchemaLoad(schema_load::SchemaLoadArgs),
    /// Write the seed users and their activity where they are missing
    Seed(seed::SeedArgs),
    /// List who is connected
    Sessions(sessions::SessionsArgs),
    /// Open psql on the database
    Connect(connect::ConnectArgs),
    /// List users with their Cognito ids
    Users(users::UsersArgs),
    /// Give users the ids that the Cognito pool has for their handles
    UpdateCognitoUserIds(update_cognito_user_ids::UpdateArgs),
}

impl DbCommand {
    /// Whether it takes ids from the pool.
    pub fn asks_cognito(&self, context: &Context) -> bool {
        match self {
            DbCommand::UpdateCognitoUserIds(_) => true,
            DbCommand::Setup(_) => context.target.user_pool_id.is_some(),
            _ => false,
        }
    }
}

pub async fn run(context: &Context, command: DbCommand) -> anyhow::Result<()> {
    match command {
        DbCommand::Setup(args) => setup::setup(context, &args).await,
        DbCommand::Create(args) => create::create(context, &args).await,
        DbCommand::Drop(args) => drop::drop(context, &args).await,
        DbCommand::SchemaLoad(args) => schema_load::schema_load(context, &args).await,
        DbCommand::Seed(args) => seed::seed(context, &args).await,
        DbCommand::Sessions(args) => sessions::sessions(context, &args).await,
        DbCommand::Connect(args) => connect::connect(context, &args),
        DbCommand::Users(args) => users::users(context, &args).await,
        DbCommand::UpdateCognitoUserIds(args) => {
            update_cognito_user_ids::update_cognito_user_ids(context, &args).await
        }
    }
}

/// The database as sentences name it.
fn place(database: &Database) -> String {
    format!("database {} at {}", database.name(), database.at())
}

/// What is about to be changed, in numbers.
fn described(contents: &Contents) -> String {
    let rows = |count: Option<i64>, what| match count {
        Some(1) if what == "activities" => "1 activity".to_owned(),
        Some(1) => "1 user".to_owned(),
        Some(count) => format!("{count} {what}"),
        None => format!("no table of {what}"),
    };
    let users = rows(contents.users, "users");
    format!("{users}, {}", rows(contents.activities, "activities"))
}
