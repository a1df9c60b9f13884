#!/usr/bin/env python3
"""The local stack beside DynamoDB Local and moto: time to the first answer,
memory and processor time while idle. Linux; nothing but Python's own library.

    python3 benches/local.py target/release/cruddur \\
        --dynamodb-local FOLDER_OF_DynamoDBLocal.jar --moto PATH_OF_moto_server
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import servers

TICKS = os.sysconf("SC_CLK_TCK")


def read(path):
    """What the kernel tells of a process, or nothing: PostgreSQL's come and go."""
    try:
        return pathlib.Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def tree(pid):
    """A process and all below it."""
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        for child in read(task / "children").split():
            pids += tree(int(child))
    return pids


def memory(pids):
    """Megabytes; a page that processes share counts once."""
    lines = [line for pid in pids for line in read(f"/proc/{pid}/smaps_rollup").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def processor(pids):
    """Seconds of processor time so far."""
    ticks = 0
    for stat in filter(None, (read(f"/proc/{pid}/stat") for pid in pids)):
        fields = stat.rsplit(") ", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def idle(pids, seconds):
    """Memory, and processor milliseconds a second, of a server left alone."""
    time.sleep(2)
    before = processor(pids)
    time.sleep(seconds)
    return memory(pids), (processor(pids) - before) / seconds * 1000


def server(command, folder, port, arguments):
    """Starts a server some times; the last one is looked at while idle."""
    times = []
    for run in range(arguments.runs):
        begun = time.monotonic()
        with open(os.devnull, "w") as null:
            child = subprocess.Popen(command, cwd=folder, stdout=null, stderr=null)
        servers.wait_for(child, port)
        times.append(time.monotonic() - begun)
        if run == arguments.runs - 1:
            found = idle(tree(child.pid), arguments.idle)
        child.terminate()
        child.wait()
    return (statistics.median(times), *found)


def cruddur(arguments):
    """First starts, later starts, and idle: its own processes and PostgreSQL's."""
    program = os.path.abspath(arguments.cruddur)
    first, later = [], []

    def run(folder, *words):
        subprocess.run([program, "local", *words], cwd=folder, check=True, capture_output=True)

    def timed(folder):
        begun = time.monotonic()
        run(folder, "up", "--detach", "--free-ports")
        return time.monotonic() - begun

    for number in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            first.append(timed(folder))
            for _ in range(2):
                run(folder, "down")
                later.append(timed(folder))
            if number == arguments.runs - 1:
                state = json.loads(pathlib.Path(folder, ".cruddur/state.json").read_text())
                postgres = tree(state["postgres"]["pid"])
                own = [pid for pid in tree(state["pid"]) if pid not in postgres]
                both = idle(own + postgres, arguments.idle)
                found = [(memory(own), both[1]), (memory(postgres), None)]
            run(folder, "down")
    return statistics.median(first), statistics.median(later), found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cruddur", help="the binary, built with --release")
    parser.add_argument("--dynamodb-local", metavar="FOLDER", help="where DynamoDBLocal.jar is")
    parser.add_argument("--moto", metavar="PROGRAM", help="moto_server")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle", type=float, default=20, help="seconds to watch it idle")
    arguments = parser.parse_args()
    first, later, [own, postgres] = cruddur(arguments)
    rows = [
        ("cruddur local: all three, first start", first, None, None),
        ("cruddur local: all three, data there", later, own[0], own[1]),
        ("  its PostgreSQL", None, postgres[0], None),
    ]
    if arguments.dynamodb_local:
        port = servers.free_port()
        command = servers.dynamodb_local_command(port)
        rows.append(
            ("DynamoDB Local (JVM)", *server(command, arguments.dynamodb_local, port, arguments))
        )
    if arguments.moto:
        port = servers.free_port()
        command = [os.path.abspath(arguments.moto), "-H", "127.0.0.1", "-p", str(port)]
        rows.append(("moto server", *server(command, None, port, arguments)))
    print("|  | start, s | idle memory, MB | idle CPU, ms/s |\n|---|---:|---:|---:|")
    for name, start, megabytes, milliseconds in rows:
        cells = [
            "" if start is None else f"{start:.2f}",
            "" if megabytes is None else f"{megabytes:.0f}",
            "" if milliseconds is None else f"{milliseconds:.1f}",
        ]
        print(f"| {name} | {' | '.join(cells)} |")


main()
