//! The user pool.

mod add;
mod user;

use std::collections::HashSet;

use aws_sdk_cognitoidentityprovider::error::SdkError;
use aws_sdk_cognitoidentityprovider::{Client, Config};
use chrono::TimeDelta;
use futures_util::future;

use crate::aws::{self, Aside, Connection, List, ServerClock};
use crate::target::Target;
use crate::{Error, Result, Service};
pub use user::{Account, PoolUser};

/// The most that Cognito hands out at a time.
const PAGE: i32 = 60;

/// A user pool at an endpoint. Making one sends no request.
#[derive(Debug, Clone)]
pub struct Pool {
    client: Client,
    id: String,
    at: String,
}

/// What one request gave.
struct Page {
    /// Not read yet.
    users: List,
    /// That of the next one.
    token: Option<String>,
}

impl Pool {
    /// The pool that a target names.
    ///
    /// # Errors
    ///
    /// [`Error::NotConfigured`] where it names none, and what else the target
    /// lacks: an endpoint, a region, credentials.
    pub async fn connect(target: &Target) -> Result<Pool> {
        let id = target
            .user_pool_id
            .clone()
            .ok_or_else(|| Error::NotConfigured {
                what: "the Cognito user pool".to_owned(),
                set: "AWS_COGNITO_USER_POOL_ID".to_owned(),
            })?;
        let connection = Connection::new(target, Service::Cognito).await?;
        let mut config = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(aws::behavior_version())
            .region(connection.region)
            .credentials_provider(connection.credentials)
            .http_client(connection.http_client)
            .retry_config(aws::retry_config())
            .retry_classifier(aws::NobodyListens)
            .interceptor(connection.still_trying)
            .timeout_config(aws::timeout_config());
        config.set_endpoint_url(connection.endpoint_url);
        Ok(Pool {
            client: Client::from_conf(config.build()),
            id: id.value,
            at: connection.at,
        })
    }

    /// The pool's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The endpoint's address, as errors name it.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Asks for one user, to see whether the pool answers.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], [`Error::PoolNotFound`] and whatever else stands
    /// in the way.
    pub async fn answers(&self) -> Result<()> {
        let answer = self.client.list_users().user_pool_id(&self.id).limit(1);
        let answer = answer.send().await;
        answer.map(|_| ()).map_err(|error| self.error(error))
    }

    /// Like [`Pool::answers`], without the patience of other requests. Tells also
    /// how far the server's clock is ahead of this machine's, where the server
    /// says the time; it does even when it refuses the request.
    pub async fn probe(&self) -> (Result<()>, Option<TimeDelta>) {
        let clock = ServerClock::default();
        let answer = self
            .client
            .list_users()
            .user_pool_id(&self.id)
            .limit(1)
            .customize()
            .config_override(
                Config::builder()
                    .retry_config(aws::few_retries())
                    .timeout_config(aws::short_timeouts()),
            )
            .interceptor(clock.clone())
            .send()
            .await;
        let answer = answer.map(|_| ()).map_err(|error| self.error(error));
        (answer, clock.ahead())
    }

    /// Every user, of all pages.
    ///
    /// # Errors
    ///
    /// [`Error::PoolNotFound`]; [`Error::WrongServer`] where the service hands
    /// out the same page again and again.
    pub async fn users(&self) -> Result<Vec<PoolUser>> {
        let mut all = Vec::new();
        self.for_each_page(|users| {
            all.extend(users);
            Ok::<_, Error>(())
        })
        .await?;
        Ok(all)
    }

    /// Hands what tells every user from the others to `take`, as pages arrive.
    ///
    /// # Errors
    ///
    /// As [`Pool::users`].
    pub async fn accounts(&self, take: &mut dyn FnMut(Account)) -> Result<()> {
        self.for_each_page(|users| {
            users.into_iter().map(Account::from).for_each(&mut *take);
            Ok(())
        })
        .await
    }

    /// Hands every page to `take` as it arrives, until that fails.
    ///
    /// # Errors
    ///
    /// As [`Pool::users`], and those of `take`.
    pub async fn for_each_page<E: From<Error>>(
        &self,
        mut take: impl FnMut(Vec<PoolUser>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut seen = HashSet::new();
        let mut page = Some(self.page(None).await?);
        while let Some(this) = page {
            let next = self.next_page(this.token, &mut seen);
            // It is on its way while this one is read: its request leaves when the
            // connection has had its turn.
            let taken = async {
                tokio::task::yield_now().await;
                let users = this.users.text().and_then(user::parse);
                take(users.map_err(|cause| self.unreadable(&cause))?)
            };
            let (next, taken) = future::join(next, taken).await;
            taken?;
            page = next?;
        }
        Ok(())
    }

    /// A page can be empty and not the last: only the token tells.
    async fn next_page(
        &self,
        token: Option<String>,
        seen: &mut HashSet<String>,
    ) -> Result<Option<Page>> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        if !seen.insert(token.clone()) {
            return Err(aws::repeats_itself(Service::Cognito, &self.at));
        }
        self.page(Some(token)).await.map(Some)
    }

    async fn page(&self, token: Option<String>) -> Result<Page> {
        let users = Aside::new("Users");
        let answer = self
            .client
            .list_users()
            .user_pool_id(&self.id)
            .limit(PAGE)
            .set_pagination_token(token)
            .customize()
            .interceptor(users.clone())
            .send()
            .await
            .map_err(|error| self.error(error))?;
        Ok(Page {
            // Even an empty page has a list.
            users: users
                .take()
                .ok_or_else(|| self.unreadable("it has no list of users"))?,
            token: answer.pagination_token,
        })
    }

    fn unreadable(&self, cause: &str) -> Error {
        aws::unreadable(Service::Cognito, &self.at, cause)
    }

    fn error<E>(&self, error: SdkError<E, aws::HttpResponse>) -> Error
    where
        E: std::error::Error + aws::ProvideErrorMetadata + Send + Sync + 'static,
    {
        let not_found = || Error::PoolNotFound {
            pool: self.id.clone(),
            at: self.at.clone(),
        };
        match aws::code_of(&error) {
            Some("ResourceNotFoundException") => not_found(),
            // What AWS says of an id that cannot be one, such as `pool`.
            Some("InvalidParameterException" | "ValidationException") if !self.id.contains('_') => {
                not_found()
            }
            _ => aws::error(Service::Cognito, &self.at, error),
        }
    }
}
