#!/usr/bin/env python3
"""Counts the instructions of three commands, and fails when one takes more than
5 % more than benches/instructions.json says.

    python3 benches/instructions.py target/debug/cruddur [--update]

Time varies with the machine and its load; this hardly does. Needs valgrind, and
Python's own library.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import items
import servers

COMMITTED = pathlib.Path(__file__).with_name("instructions.json")
MOST = 1.05
RUNS = 3
MESSAGES = 1_000
COMMANDS = {
    "--version": ["--version"],
    "ddb list-tables": ["ddb", "list-tables"],
    "ddb patterns get-conversation": [
        *("ddb", "patterns", "get-conversation", "--utc"),
        *("--message-group-uuid", items.group_uuid(0)),
    ],
}


def fixed_addresses():
    """What runs a program at fixed addresses, which containers may forbid."""
    words = ["setarch", "-R"]
    tried = subprocess.run([*words, "true"], capture_output=True)
    return words if tried.returncode == 0 else []


def count(command, env):
    """The instructions of a run at fixed addresses; hash maps and the number of
    reads from a socket still differ a little from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        words = [*fixed_addresses(), *valgrind, *command]
        ended = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return int(re.search(r"Collected : (\d+)", ended.stderr)[1])


def counts(program):
    """The fewest of some runs, by command; and how far the runs lie apart."""
    found = {}
    with servers.stack(program) as variables, tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], "HOME": folder, **variables}
        fill(program, env, folder)
        for name, words in COMMANDS.items():
            runs = [count([program, *words], env) for _ in range(RUNS)]
            print(f"{name}: {min(runs):,} (+{max(runs) / min(runs) - 1:.2%})")
            found[name] = min(runs)
    return found


def fill(program, env, folder):
    file = pathlib.Path(folder, "messages")
    file.write_text("".join(map(items.line, items.messages(MESSAGES, 1))))
    for words in (["schema-load"], ["import", file]):
        subprocess.run([program, "ddb", *words], env=env, check=True, capture_output=True)


def more(found, committed):
    """A line on each command that takes too many."""
    for name, most in committed.items():
        rise = found[name] / most
        if rise > MOST:
            yield f"{name} takes {rise - 1:.1%} more instructions than the {most:,} committed"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cruddur", help="the binary, as `cargo build` makes it")
    parser.add_argument("--update", action="store_true", help="write the counts down")
    arguments = parser.parse_args()
    found = counts(os.path.abspath(arguments.cruddur))
    if arguments.update:
        COMMITTED.write_text(json.dumps(found, indent=2) + "\n")
        return
    # With nothing to tell, 0.
    sys.exit("\n".join(more(found, json.loads(COMMITTED.read_text()))) or None)


main()
