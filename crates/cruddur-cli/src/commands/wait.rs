use std::future::Future;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use cruddur_core::cognito::Pool;
use cruddur_core::db::Database;
use cruddur_core::ddb::Table;
use cruddur_core::{Error, Result, Service};
use serde::Serialize;

use crate::context::Context;

/// How often a service that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the last question may take when the time is up.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct WaitArgs {
    /// What to wait for [default: ddb, db and, where a pool is configured, cognito]
    #[arg(value_enum)]
    services: Vec<Waited>,
    #[command(flatten)]
    patience: Patience,
}

// How long a service that does not answer is waited for.
#[derive(Debug, Clone, Copy, Args)]
pub struct Patience {
    /// Seconds to wait for the servers
    #[arg(long, value_name = "S", default_value_t = 60)]
    timeout: u32,
}

/// A service as this command's arguments name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Waited {
    /// DynamoDB
    Ddb,
    /// PostgreSQL
    Db,
    /// Cognito
    Cognito,
}

/// A service that has answered.
#[derive(Debug, Serialize)]
pub struct Ready {
    service: String,
    at: String,
}

pub async fn wait(context: &Context, args: &WaitArgs) -> anyhow::Result<()> {
    let services = args.services(context);
    let ready = until_ready(context, &services, args.patience).await?;
    // People have been told.
    context.ui.list(&ready, |_| Ok(()))?;
    Ok(())
}

/// The services that a run with this target uses.
pub fn configured(context: &Context) -> Vec<Service> {
    let mut services = vec![Service::DynamoDb, Service::Postgres];
    if context.target.user_pool_id.is_some() {
        services.push(Service::Cognito);
    }
    services
}

impl WaitArgs {
    /// The services that are waited for.
    pub fn services(&self, context: &Context) -> Vec<Service> {
        if self.services.is_empty() {
            return configured(context);
        }
        let named = self.services.iter().map(|service| match service {
            Waited::Ddb => Service::DynamoDb,
            Waited::Db => Service::Postgres,
            Waited::Cognito => Service::Cognito,
        });
        named.collect()
    }
}

/// Waits until each service has answered a request, in one common time.
///
/// What waiting does not mend (a wrong password, another kind of server) ends it.
pub async fn until_ready(
    context: &Context,
    services: &[Service],
    patience: Patience,
) -> anyhow::Result<Vec<Ready>> {
    let mut ready = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(patience.timeout.into());
    let target = &context.target;
    for service in services {
        match service {
            Service::DynamoDb | Service::DynamoDbStreams => {
                let table = Table::connect(target).await?;
                let ask = || table.answers();
                ready.push(asked(context, deadline, Service::DynamoDb, table.at(), ask).await?);
            }
            Service::Postgres => {
                let database = Database::connect(target)?;
                let ask = || async { database.exists().await.map(|_| ()) };
                let at = database.at();
                ready.push(asked(context, deadline, Service::Postgres, &at, ask).await?);
            }
            Service::Cognito => {
                let pool = Pool::connect(target).await?;
                let ask = || pool.answers();
                ready.push(asked(context, deadline, Service::Cognito, pool.at(), ask).await?);
            }
        }
    }
    Ok(ready)
}

async fn asked<F: Future<Output = Result<()>>>(
    context: &Context,
    deadline: Instant,
    service: Service,
    at: &str,
    ask: impl Fn() -> F,
) -> anyhow::Result<Ready> {
    let mut told = false;
    loop {
        let answer = tokio::time::timeout_at((deadline + GRACE).into(), ask()).await;
        let no_answer = |_| Error::Unreachable {
            service,
            at: at.to_owned(),
            cause: "it gave no answer in time".to_owned(),
        };
        match answer.map_err(no_answer).flatten() {
            Ok(()) => {
                context.ui.status(format_args!("{service} at {at} answers"));
                return Ok(Ready {
                    service: service.to_string(),
                    at: at.to_owned(),
                });
            }
            Err(error) if Instant::now() < deadline && is_not_up_yet(&error) => {
                if !told {
                    context
                        .ui
                        .status(format_args!("waiting for {service} at {at}"));
                    told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the service may answer in a moment.
fn is_not_up_yet(error: &Error) -> bool {
    match error {
        // One that starts, too: PostgreSQL says so by a code of its own.
        Error::Unreachable { .. } => true,
        // The port of a container may be open before the server in it.
        Error::WrongServer { service, .. } => *service != Service::Postgres,
        _ => false,
    }
}
