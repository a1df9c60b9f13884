//! The list of what was found, and how an error becomes an entry of it.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use cruddur_core::target::Target;
use cruddur_core::{Error, Result, Service, aws};
use serde::Serialize;

use crate::args::Global;
use crate::commands::target::describe;
use crate::context::Context;
use crate::error;

/// How long each service is given for its first answer.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// From how far on two clocks are said to differ.
const NOTABLE: TimeDelta = TimeDelta::seconds(5);
/// From how far on AWS refuses a request's signature.
const REFUSED: TimeDelta = TimeDelta::minutes(5);
/// Credentials that end sooner may end in the middle of something.
const SOON: TimeDelta = TimeDelta::minutes(15);

const SET_CLOCK: &str =
    "set this machine's clock, as with `sudo timedatectl set-ntp true`, or the server's";

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but a person may want to change it.
    Warning,
    /// It does not work.
    Problem,
    /// Something that was checked before stands in the way, or makes it needless.
    Unchecked,
}

impl Verdict {
    /// Its name, the same as in JSON.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
            Verdict::Unchecked => "unchecked",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at; the same in every run.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What mends it.
    pub mend: Option<String>,
}

/// What was found so far.
#[derive(Debug)]
pub struct Checks {
    global: Global,
    /// One entry a check, in the order of their dependence.
    pub done: Vec<Check>,
    /// Whether a service cannot be reached, or not with these credentials.
    pub unreachable: bool,
}

impl Checks {
    pub fn new(context: &Context) -> Checks {
        Checks {
            global: context.global.clone(),
            done: Vec::new(),
            unreachable: false,
        }
    }

    /// What a command needs behind it to go where this run goes.
    pub fn flags(&self) -> String {
        self.global.flags()
    }

    pub fn append(&mut self, mut other: Checks) {
        self.done.append(&mut other.done);
        self.unreachable |= other.unreachable;
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        let found = self.done.iter().filter(|check| check.verdict == verdict);
        found.count()
    }

    pub fn ok(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, Verdict::Ok, detail.into(), None);
    }

    pub fn warning(&mut self, name: &'static str, detail: impl Into<String>, mend: String) {
        self.add(name, Verdict::Warning, detail.into(), Some(mend));
    }

    pub fn problem(&mut self, name: &'static str, detail: impl Into<String>, mend: String) {
        self.add(name, Verdict::Problem, detail.into(), Some(mend));
    }

    /// Says of each of these why it was not looked at.
    pub fn unchecked(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            self.add(name, Verdict::Unchecked, why.to_owned(), None);
        }
    }

    /// An error that any command would end with, with the hint it would give.
    pub fn failed(&mut self, name: &'static str, failure: &Error) {
        self.unreachable |= error::status(failure) == error::UNREACHABLE;
        let mend = error::hint(failure, &self.global);
        self.add(name, Verdict::Problem, failure.to_string(), mend);
    }

    /// An error that only some commands would end with.
    pub fn worrying(&mut self, name: &'static str, failure: &Error) {
        let mend = error::hint(failure, &self.global);
        self.add(name, Verdict::Warning, failure.to_string(), mend);
    }

    /// How far the server's clock is ahead of this machine's. Only AWS refuses
    /// requests because of it.
    pub fn clock(&mut self, name: &'static str, ahead: Option<TimeDelta>, signed: bool) {
        let Some(ahead) = ahead else {
            self.unchecked(&[name], "the server does not say the time");
            return;
        };
        if ahead.abs() <= NOTABLE {
            let seconds = NOTABLE.num_seconds();
            self.ok(name, format!("within {seconds} s of the server's"));
            return;
        }
        let direction = if ahead > TimeDelta::zero() {
            "behind"
        } else {
            "ahead of"
        };
        let seconds = ahead.abs().num_seconds();
        let detail = format!("this machine's clock is {seconds} s {direction} the server's");
        if signed && ahead.abs() > REFUSED {
            let detail = format!("{detail}, and AWS refuses requests beyond 5 minutes");
            self.problem(name, detail, SET_CLOCK.to_owned());
        } else {
            self.warning(name, detail, SET_CLOCK.to_owned());
        }
    }

    /// Looks for what signs the requests to `service`; `false` where nothing does.
    pub async fn credentials(
        &mut self,
        name: &'static str,
        target: &Target,
        service: Service,
    ) -> bool {
        let endpoint = match service {
            Service::Cognito => &target.cognito,
            _ => &target.dynamodb,
        };
        let (Ok(endpoint), Ok(region)) = (endpoint, &target.region) else {
            self.unchecked(&[name], "the endpoint is not known");
            return false;
        };
        let at = endpoint.value.display(service, &region.value);
        match within(service, &at, aws::credentials_expiry(target, service)).await {
            Ok(expiry) => {
                let (source, why) = describe(&target.credentials(&endpoint.value));
                let source = format!("{} ({why})", source.unwrap_or_default());
                self.expiry(name, service, &source, expiry);
                true
            }
            Err(error) => {
                self.failed(name, &error);
                false
            }
        }
    }

    fn expiry(
        &mut self,
        name: &'static str,
        service: Service,
        source: &str,
        expiry: Option<DateTime<Utc>>,
    ) {
        let Some(expiry) = expiry else {
            self.ok(name, source);
            return;
        };
        let left = expiry - Utc::now();
        let mend = error::credentials(service, &self.global);
        let at = expiry.to_rfc3339_opts(SecondsFormat::Secs, true);
        if left <= TimeDelta::zero() {
            self.unreachable = true;
            self.problem(name, format!("{source} expired at {at}"), mend);
        } else if left < SOON {
            self.warning(name, format!("{source} expire at {at}"), mend);
        } else {
            self.ok(name, format!("{source}, until {at}"));
        }
    }

    fn add(&mut self, name: &'static str, verdict: Verdict, detail: String, mend: Option<String>) {
        self.done.push(Check {
            name,
            verdict,
            detail,
            mend,
        });
    }
}

/// Gives up on a service that does not say a word: other commands are more
/// patient, but here someone waits to hear how things are.
pub async fn within<T>(
    service: Service,
    at: &str,
    answer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| {
        Err(Error::Unreachable {
            service,
            at: at.to_owned(),
            cause: format!("no answer within {} s", PATIENCE.as_secs()),
        })
    })
}
