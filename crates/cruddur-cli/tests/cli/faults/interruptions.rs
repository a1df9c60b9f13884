//! Commands that are asked to stop, or killed, at a random moment.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use super::change::{Change, apply, cognito_ids, export, import, seed, setup};
use super::change::{with_pool_of_users, with_users};
use super::{over_seeds, over_seeds_at_once};
use crate::support;

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGKILL];
/// How long a command is watched that ends on request only.
const WATCHED: Duration = Duration::from_secs(1);

impl Change<'_> {
    /// Without faults: what is at stake here is the moment.
    fn survives_signals(&self) {
        let takes = self.duration();
        let name = format!("{}, interrupted", self.again.join(" "));
        over_seeds_at_once(self.at_once, &name, |faults| {
            let environment = (self.prepare)();
            let mut dice = faults.dice.lock().unwrap();
            let signal = dice.one_of(&SIGNALS);
            let moment = dice.duration(takes * 6 / 5);
            let output = interrupted(environment.command(self.again), moment, signal);
            assert!(is_in_order(output.status, signal), "{output:?}");
            self.ended(&environment, output.status.success());
            output.status.to_string()
        });
    }

    /// How long it takes when nobody interrupts.
    fn duration(&self) -> Duration {
        let environment = (self.prepare)();
        let begun = Instant::now();
        environment.run(self.again).exits(0);
        begun.elapsed()
    }
}

/// Sends a signal to a command, some time after its start.
fn interrupted(mut command: Command, moment: Duration, signal: i32) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(moment);
    // SAFETY: the child has not been waited for, so the id is still its own.
    unsafe { libc::kill(i32::try_from(child.id()).unwrap(), signal) };
    support::output(child)
}

/// It had already ended, or said that it was interrupted, or had not yet begun
/// to listen.
fn is_in_order(status: ExitStatus, signal: i32) -> bool {
    [Some(0), Some(130)].contains(&status.code()) || status.signal() == Some(signal)
}

#[test]
fn at_any_moment() {
    let users = with_users();
    seed(&users).survives_signals();
    import(&users, &export(300)).survives_signals();
}

#[test]
fn while_setting_up() {
    let pool = with_pool_of_users();
    setup(&pool).survives_signals();
    cognito_ids(&pool).survives_signals();
}

/// Those that follow the stream until somebody ends them, with faults: they do
/// not give up, unless there was nothing to follow to begin with.
fn follow(command: &[&str], check: impl Fn(&Output) + Sync) {
    let change = apply(command);
    over_seeds(&command.join(" "), |faults| {
        let environment = (change.prepare)();
        let moment = faults.dice.lock().unwrap().duration(WATCHED);
        let command = faults.command(&environment, command);
        let output = interrupted(command, moment, libc::SIGINT);
        let status = output.status;
        let gave_up = [Some(1), Some(4)].contains(&status.code()) && !output.stderr.is_empty();
        assert!(gave_up || is_in_order(status, libc::SIGINT), "{output:?}");
        check(&output);
        change.ended(&environment, false);
        status.to_string()
    });
}

/// From the first on, in the order in which they were written.
fn shows_each_record_once(output: &Output) {
    let shown = String::from_utf8_lossy(&output.stdout);
    let written = ["first", "first", "first", "second", "third"].repeat(3);
    for (number, line) in shown.lines().enumerate() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["new_image"]["message"], written[number], "{shown}");
    }
}

#[test]
fn following() {
    follow(&["ddb", "stream", "apply"], |_| ());
    let tail = ["ddb", "stream", "tail", "--from-start", "-o", "jsonl"];
    follow(&tail, shows_each_record_once);
}

#[test]
fn two_setups_at_once() {
    let pool = with_pool_of_users();
    let change = setup(&pool);
    over_seeds("two setups at once", |_| {
        let environment = (change.prepare)();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| environment.run(change.again));
            environment.run(change.again).exits(0);
            other.join().unwrap().exits(0);
        });
        change.ended(&environment, true);
        "exit 0 twice".to_owned()
    });
}
