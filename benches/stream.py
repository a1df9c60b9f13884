#!/usr/bin/env python3
"""How fast, and with how many writes, `cruddur ddb stream drain` brings
conversations up to date. Linux; nothing but Python's own library.

    python3 benches/stream.py target/release/cruddur --dynamodb-local FOLDER_OF_DynamoDBLocal.jar

The messages are written first, in turn to each group, and then drained: 10,000
of them in one conversation, in 100, and in as many conversations as messages,
which is the most that can be asked. A move is two deletes and two puts.
"""

import argparse
import json
import os
import statistics
import tempfile
import uuid

import items
import servers

def write_items(folder, messages, groups):
    """Two files for `ddb import`: the conversations, and what is said in them."""
    begun, said = os.path.join(folder, "groups"), os.path.join(folder, "messages")
    with open(begun, "w") as file:
        file.writelines(map(items.line, items.group_items(groups)))
    with open(said, "w") as file:
        file.writelines(map(items.line, items.messages(messages, groups)))
    return begun, said


def drained(program, url, messages, groups):
    """Records a second, writes a record, and megabytes."""
    table = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:

        def cruddur(*words):
            command = [program, "ddb", *words, "--endpoint-url", url, "--table", table, "-q"]
            return servers.measured(command, cwd=folder)

        begun, said = write_items(folder, messages, groups)
        cruddur("schema-load")
        cruddur("import", begun)
        cruddur("stream", "drain")
        cruddur("import", said)
        output, seconds, megabytes = cruddur("stream", "drain", "-o", "json")
        totals = json.loads(output)
        assert totals["records"] >= messages and not totals["failures"], totals
        assert totals["moved"] >= groups, totals
        cruddur("drop", table)
        return messages / seconds, 4 * totals["moved"] / messages, megabytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cruddur", help="the binary, built with --release")
    parser.add_argument("--dynamodb-local", metavar="FOLDER", help="where DynamoDBLocal.jar is")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.cruddur)
    print(f"{servers.machine()}\n")
    print("| server | conversations | records/s (range) | writes a record | peak memory, MB |")
    print("|---|---:|---:|---:|---:|", flush=True)

    def row(server, url, groups):
        runs = [drained(program, url, arguments.messages, groups) for _ in range(arguments.runs)]
        speeds, writes, memory = zip(*runs)
        print(
            f"| {server} | {groups:,} | {statistics.median(speeds):,.0f} "
            f"({min(speeds):,.0f}–{max(speeds):,.0f}) | {statistics.median(writes):.3f} "
            f"| {max(memory):.0f} |",
            flush=True,
        )

    with servers.stack(program) as variables:
        for groups in (1, 100, arguments.messages):
            row("local stack", variables["AWS_ENDPOINT_URL_DYNAMODB"], groups)
    if arguments.dynamodb_local:
        with servers.dynamodb_local(arguments.dynamodb_local) as url:
            for groups in (1, 100, arguments.messages):
                row("DynamoDB Local", url, groups)


main()
