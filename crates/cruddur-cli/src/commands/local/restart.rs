//! What is done to a stack that does not run, around which it ends and starts.

use std::time::Duration;

use cruddur_local::{Error, StackDir, State, Status};

use super::up::{self, Manner};
use crate::app::Interruption;
use crate::context::Context;

/// How long a stack may take to end before it is killed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Ends the stack if it runs, does `work`, and starts it again as it was. Failing
/// work is no reason to leave the stack down.
pub async fn around<T: Send + 'static>(
    context: &Context,
    dir: &StackDir,
    work: impl FnOnce(&StackDir) -> Result<T, Error> + Send + 'static,
) -> anyhow::Result<(T, Option<State>)> {
    let mut interruption = Interruption::listen();
    let ran = match dir.status()? {
        Status::Running(state) => Some(Manner::of(&state)),
        Status::Starting { .. } => Some(Manner::default()),
        _ => None,
    };
    let mut work = {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || {
            cruddur_local::down(&dir, STOP_TIMEOUT)?;
            work(&dir)
        })
    };
    // Data that is being replaced is replaced to the end, in a second or two,
    // whoever asks to stop meanwhile.
    let (done, stop) = tokio::select! {
        done = &mut work => (done?, false),
        () = interruption.recv() => (work.await?, true),
    };
    let mut restarted = None;
    if let Some(manner) = ran {
        match up::detached(context, dir, manner).await {
            Ok((state, _)) => restarted = Some(state),
            // Often for the same reason, a full disk for example.
            Err(error) if done.is_err() => context.ui.warning(format_args!(
                "the local stack is down, since it cannot be started again: {error:#}"
            )),
            Err(error) => return Err(error),
        }
    }
    let done = done?;
    if stop {
        return Err(cruddur_core::Error::Interrupted.into());
    }
    Ok((done, restarted))
}
