//! Commands that are asked to stop, or killed, at a random moment.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::changes::{Change, apply, cognito_ids, export, import, seed, setup};
use super::changes::{with_pool_of_users, with_users};
use super::{Faults, over_seeds, over_seeds_at_once};
use crate::support::{self, TestEnvironment};

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGKILL];
/// How long a command is watched that ends on request only.
const WATCHED: Duration = Duration::from_secs(1);

impl Change<'_> {
    /// Without faults: what is at stake here is the moment.
    fn survives_signals(&self, takes: Duration) {
        let name = format!("{}, interrupted", self.command.join(" "));
        over_seeds_at_once(self.at_once, &name, |faults| {
            let environment = (self.prepare)();
            let (signal, status) = self.interrupted(&environment, takes, faults);
            let in_order = signal == libc::SIGKILL || is_in_order(status, signal);
            assert!(in_order, "{status} after signal {signal}");
            self.ended(&environment, status.success());
            status.to_string()
        });
    }

    fn interrupted(
        &self,
        environment: &TestEnvironment,
        takes: Duration,
        faults: &Faults,
    ) -> (i32, ExitStatus) {
        let mut dice = faults.dice.lock().unwrap();
        let signal = dice.one_of(&SIGNALS);
        let most = usize::try_from(takes.as_millis()).unwrap() * 6 / 5;
        let mut command = environment.command(self.command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(dice.millis(most));
        // SAFETY: the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(i32::try_from(child.id()).unwrap(), signal) };
        (signal, support::status(&mut child))
    }

    /// How long it takes when nobody interrupts.
    fn duration(&self) -> Duration {
        let environment = (self.prepare)();
        let begun = Instant::now();
        environment.run(self.command).exits(0);
        begun.elapsed()
    }
}

/// It had already ended, or said that it was interrupted, or had not yet begun
/// to listen.
fn is_in_order(status: ExitStatus, signal: i32) -> bool {
    [Some(0), Some(130)].contains(&status.code()) || status.signal() == Some(signal)
}

#[test]
fn at_any_moment() {
    let users = with_users();
    let lines = export(300);
    for change in [seed(&users), import(&users, &lines)] {
        change.survives_signals(change.duration());
    }
    apply(&["ddb", "stream", "apply"]).survives_signals(WATCHED);
}

#[test]
fn while_setting_up() {
    let pool = with_pool_of_users();
    for change in [setup(&pool), cognito_ids(&pool)] {
        change.survives_signals(change.duration());
    }
}

#[test]
fn two_setups_at_once() {
    let pool = with_pool_of_users();
    let change = setup(&pool);
    over_seeds("two setups at once", |_| {
        let environment = (change.prepare)();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| environment.run(change.command));
            environment.run(change.command).exits(0);
            other.join().unwrap().exits(0);
        });
        change.ended(&environment, true);
        "exit 0 twice".to_owned()
    });
}
