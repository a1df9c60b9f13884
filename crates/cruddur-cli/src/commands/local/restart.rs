//! What is done to a stack that does not run, around which it ends and starts.

use std::time::Duration;

use cruddur_local::{Down, Error, StackDir, State, Status, Turn};

use super::up::{self, Manner};
use crate::app::Interruption;
use crate::context::Context;
use crate::stack_variables::variables;

/// How long a stack may take to end before it is killed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// How often it is looked whether another command is through.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until no other command ends the stack of this folder to start it again:
/// each would find running what it has to end.
pub async fn turn(
    context: &Context,
    dir: &StackDir,
    interruption: &mut Interruption,
) -> anyhow::Result<Turn> {
    let mut told = false;
    loop {
        if let Some(turn) = dir.turn()? {
            return Ok(turn);
        }
        if !told {
            context.ui.status(format_args!(
                "waiting for another command that changes the data in {}",
                dir.path().display()
            ));
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = interruption.recv() => return Err(cruddur_core::Error::Interrupted.into()),
        }
    }
}

/// Work that was done around which a stack ended and started.
pub struct Around {
    /// The stack, where it ran before and so does again.
    pub restarted: Option<State>,
    /// Whether somebody asked to stop meanwhile.
    pub stop: bool,
}

impl Around {
    /// Ends the run as it was asked to, of which the work was no part any more.
    pub fn end(&self) -> anyhow::Result<()> {
        match self.stop {
            true => Err(cruddur_core::Error::Interrupted.into()),
            false => Ok(()),
        }
    }
}

/// Ends the stack if it runs, does `work`, and starts it again, on the same ports
/// and in the background, wherever it ran. Failing work is no reason to leave the
/// stack down.
pub async fn around(
    context: &Context,
    dir: &StackDir,
    interruption: &mut Interruption,
    work: impl FnOnce(&StackDir) -> Result<(), Error> + Send + 'static,
) -> anyhow::Result<Around> {
    let status = known(dir)?;
    let manner = match &status {
        Some(Status::Running(state)) => Manner::of(state),
        _ => Manner::default(),
    };
    let work = {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || {
            let ended = cruddur_local::down(&dir, STOP_TIMEOUT)?;
            Ok::<_, Error>((ended, work(&dir)))
        })
    };
    // Data that is being replaced is replaced to the end, in a second or two.
    let (worked, mut stop) = to_the_end(work, interruption).await;
    let (ended, done) = worked??;
    let mut restarted = None;
    // One that somebody else was ending stays down.
    if ended != Down::NotRunning && !matches!(status, Some(Status::Ending(_))) {
        let (started, asked) = to_the_end(up::detached(context, dir, manner), interruption).await;
        stop |= asked;
        match started {
            Ok((state, _)) => {
                let again = "the local stack runs again, in the background";
                context.ui.status(again);
                warn_of_old_variables(context, &state);
                restarted = Some(state);
            }
            // Often for the same reason, a full disk for example.
            Err(error) if done.is_err() => context.ui.warning(format_args!(
                "the local stack is down, since it cannot be started again: {error:#}"
            )),
            Err(error) => return Err(error),
        }
    }
    done?;
    Ok(Around { restarted, stop })
}

/// Says so where the shell has variables of the stack as it was, which beat what
/// it is now: its pool and its password may be others.
fn warn_of_old_variables(context: &Context, state: &State) {
    let set = |name: &str| context.target.variable(name);
    let now = variables(state);
    let changed = now
        .iter()
        .any(|(name, value)| set(name).is_some_and(|old| old != value));
    // A region or a password may be set for anything, these two hardly.
    let stack = ["AWS_COGNITO_USER_POOL_CLIENT_ID", "CONNECTION_URL"];
    if changed && stack.iter().all(|name| set(name).is_some()) {
        context.ui.warning(
            "this shell has the variables of the stack as it was: \
             run eval \"$(cruddur local env)\" again",
        );
    }
}

/// What is known of a stack that is about to be ended: nothing where the folder
/// is damaged, which the work mends or tells.
pub fn known(dir: &StackDir) -> Result<Option<Status>, Error> {
    match dir.status() {
        Err(Error::Damaged { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// Does the work to its end, whoever asks to stop meanwhile, and says whether
/// someone has.
pub async fn to_the_end<T>(
    work: impl Future<Output = T>,
    interruption: &mut Interruption,
) -> (T, bool) {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => (done, false),
        () = interruption.recv() => (work.await, true),
    }
}
