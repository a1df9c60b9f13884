#!/usr/bin/env python3
"""cruddur beside what people would use instead, on the same work, in turn.

    python3 benches/bench.py target/release/cruddur

writes benches/RESULTS.md; with --quick or --only it prints what it would write.
With --growth it draws benches/growth.svg instead: time and memory from a
thousand to a million items; with --quick it draws fewer, into target/bench.

Linux; what else it needs it fetches into target/bench, but for java, psql, curl,
strip and rustc.
"""

import argparse
import datetime
import os
import signal
import sys

import growth
import results
import servers
import tools
import works
from setting import Setting

WORKS = {
    "list-tables": works.list_tables,
    "get-conversation": works.get_conversation,
    "import": works.import_items,
    "scan-dynamodb-local": works.scan_dynamodb_local,
    "scan-embedded": works.scan_embedded,
    "seed": works.seed,
    "cognito-ids": works.cognito_ids,
    "list-users": works.list_users,
    "stream": works.stream,
    "setup": works.setup,
    "version": works.version,
    "binary": works.binary,
}


def measured(setting, names):
    """The works' results; stderr has each as it comes."""
    taken = []
    for name in names:
        for result in WORKS[name](setting):
            taken.append(result)
            print(results.figures([result]), file=sys.stderr, flush=True)
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cruddur", help="the binary, built with --release")
    parser.add_argument("--only", metavar="NAME", action="append", choices=WORKS, help="one work")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument("--runs", type=int, default=5, help="of each work; of short ones ten times")
    parser.add_argument("--growth", action="store_true", help="draw growth.svg")
    parser.add_argument("--venv", help="where boto3, awscli and psycopg are")
    parser.add_argument("--dynamodb-local", metavar="FOLDER", help="where DynamoDBLocal.jar is")
    arguments = parser.parse_args()
    # What a terminated run started has to end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    found = tools.find(arguments.venv, arguments.dynamodb_local)
    program = os.path.abspath(arguments.cruddur)
    setting = Setting(program, found, arguments.runs, arguments.quick)
    with setting.ending:
        if arguments.growth:
            growth.draw(setting, (tools.CACHE if arguments.quick else tools.HERE) / "growth.svg")
            return
        taken = measured(setting, arguments.only or WORKS)
    versions = tools.versions(found, program)
    text = results.document(taken, servers.machine(), versions, datetime.date.today())
    if arguments.only or arguments.quick:
        print(text)
    else:
        (tools.HERE / "RESULTS.md").write_text(text)


main()
