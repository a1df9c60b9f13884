//! Runs a command, and tells what it took.
//!
//! A new process begins with the peak memory of the one that started it, and
//! keeps it when it was the higher one. So Python, at 15 MB and more, cannot see
//! that a program took 5 MB; this small one can.
//!
//! ```text
//! spawn OUTPUT COMMAND [ARGUMENT...]
//!     runs the command with its stdout in the file OUTPUT
//! ```
//!
//! It prints the seconds from start to end and the peak memory in kilobytes, and
//! ends as the command did. Built by the benchmarks, with `rustc -O`; Linux.

use std::fs::File;
use std::io::{Error, Result};
use std::process::Command;
use std::time::Instant;

/// `struct rusage` of 64-bit Linux.
#[repr(C)]
#[derive(Default)]
struct Usage {
    processor_times: [i64; 4],
    peak_kilobytes: i64,
    others: [i64; 13],
}

unsafe extern "C" {
    fn wait4(pid: i32, status: &mut i32, options: i32, usage: &mut Usage) -> i32;
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [output, program, words @ ..] = &arguments[..] else {
        return Err(Error::other("see the head of spawn.rs for its arguments"));
    };
    let mut command = Command::new(program);
    command.args(words).stdout(File::create(output)?);
    let begun = Instant::now();
    let pid = command.spawn()?.id();
    let (mut status, mut usage) = (0, Usage::default());
    // SAFETY: the call fills two places that are there for as long as it runs.
    if unsafe { wait4(pid as i32, &mut status, 0, &mut usage) } < 0 {
        return Err(Error::last_os_error());
    }
    println!(
        "{:.6} {}",
        begun.elapsed().as_secs_f64(),
        usage.peak_kilobytes
    );
    // The exit code is in the second byte, and a signal in the first.
    std::process::exit(if status & 0x7f == 0 {
        status >> 8
    } else {
        128 + (status & 0x7f)
    });
}
