"""What the works have in common: programs, servers, tables and a folder."""

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import subprocess
import tempfile

import items
import servers
from measure import Way, in_turn

PEERS = pathlib.Path(__file__).parent / "peers"
LIMIT = "the limit client"
# Four fill either server when writing, and DynamoDB Local when reading.
CONNECTIONS = 4
# Of these messages, about what fits into the 1 MB that a page can have.
PAGE_ITEMS = 2_400
# The limit client holds all that it is to write.
PART = 100_000


@dataclasses.dataclass
class Server:
    """A DynamoDB, and the variables by which clients find it and the rest."""

    name: str
    url: str
    env: dict

    @property
    def address(self):
        return self.url.removeprefix("http://")


class Setting:
    """Servers are started when they are first needed, and ended at the end."""

    def __init__(self, program, tools, rounds, quick):
        self.program = program
        self.tools = tools
        self.rounds = rounds
        self.quick = quick
        self.tables = set()
        self.ending = contextlib.ExitStack()
        self.folder = self.ending.enter_context(tempfile.TemporaryDirectory())
        # Nothing of whoever runs this: no profile, no other server.
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": self.folder,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def size(self, full):
        return full // 10 if self.quick else full

    # Servers

    @functools.cached_property
    def embedded(self):
        return self.stack("embedded")

    def stack(self, name, pool_users=()):
        """A stack of its own that is set up."""
        variables = self.ending.enter_context(servers.stack(self.program, pool_users))
        env = {**self.env, **variables}
        self.run([self.program, "setup"], env)
        return Server(name, env["AWS_ENDPOINT_URL_DYNAMODB"], env)

    @functools.cached_property
    def dynamodb_local(self):
        url = self.ending.enter_context(servers.dynamodb_local(self.tools.dynamodb_local))
        server = self.dynamodb_local_at(url)
        self.warm(server)
        return server

    @contextlib.contextmanager
    def restarted_dynamodb_local(self):
        """One of its own, and what starts it anew at the same address, and empty."""
        port = servers.free_port()
        url = f"http://127.0.0.1:{port}"
        server = self.dynamodb_local_at(url)
        with contextlib.ExitStack() as running:

            def restart():
                running.close()
                running.enter_context(servers.dynamodb_local(self.tools.dynamodb_local, port))
                self.tables = {one for one in self.tables if one[0] != url}
                self.warm(server)

            yield server, restart

    def dynamodb_local_at(self, url):
        # Users are read from the stack's PostgreSQL.
        env = {**self.embedded.env, "AWS_ENDPOINT_URL_DYNAMODB": url}
        return Server("DynamoDB Local", url, env)

    def warm(self, server):
        """A cold JVM gives a third of its speed."""
        self.create(server, "warm")
        self.load(server, "warm", items.messages(self.size(40_000), 100))
        for _ in range(5):
            self.limit(server, "scan", 4, "warm", PAGE_ITEMS).run(self.tools.spawn)
        self.drop(server, "warm")

    # Tables and files

    def create(self, server, table, stream=False):
        """An empty table with the index, as it was before any other run. It has
        a stream only where that is what is measured."""
        if (server.url, table) in self.tables:
            self.drop(server, table)
        servers.ask(server.url, "CreateTable", definition(table, stream))
        self.tables.add((server.url, table))

    def drop(self, server, table):
        servers.ask(server.url, "DeleteTable", {"TableName": table})
        self.tables.remove((server.url, table))

    def load(self, server, table, made):
        """Writes items at the server's speed."""
        made = iter(made)
        while part := list(itertools.islice(made, PART)):
            calls = self.write("load", items.put_calls(table, part))
            self.replay(server, calls).run(self.tools.spawn)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, lines):
        path = self.path(name)
        with open(path, "w") as file:
            file.writelines(lines)
        return path

    # Programs

    def cruddur(self, server, *words, name="cruddur", **options):
        return Way(name, [self.program, *words], server.env, **options)

    def limit(self, server, *words, name=LIMIT, **options):
        command = [self.tools.limit, server.address, *map(str, words)]
        return Way(name, command, self.env, seconds=float, **options)

    def replay(self, server, calls, connections=CONNECTIONS, **options):
        return self.limit(server, "replay", connections, calls, **options)

    def peer(self, name, server, script, *words, **options):
        command = [self.tools.python, str(PEERS / script), *map(str, words)]
        return Way(name, command, server.env, **options)

    def aws(self, server, *words, **options):
        return Way("aws CLI", [self.tools.aws, *words], server.env, **options)

    def curl(self, server, operation, body):
        headers = {**servers.HEADERS, "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
        return Way("curl", [self.tools.curl, "-sS", *words, "-d", body, server.url], self.env)

    def run(self, command, env, folder="/"):
        """Something that is not measured."""
        subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True)

    # Measuring

    def in_turn(self, *ways, rounds=None):
        return in_turn(self.tools.spawn, ways, rounds or self.rounds)

    def short(self, *ways):
        """Processes of some milliseconds, many times, the first to no account."""
        self.in_turn(*ways, rounds=1)
        return self.in_turn(*ways, rounds=10 * self.rounds)


def definition(table, stream):
    def schema(*names):
        kinds = zip(names, ("HASH", "RANGE"))
        return [{"AttributeName": name, "KeyType": kind} for name, kind in kinds]

    index = {
        "IndexName": "message-group-sk-index",
        "KeySchema": schema("message_group_uuid", "sk"),
        "Projection": {"ProjectionType": "ALL"},
    }
    strings = ("pk", "sk", "message_group_uuid")
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in strings],
        "KeySchema": schema("pk", "sk"),
        "GlobalSecondaryIndexes": [index],
        **({"StreamSpecification": STREAM} if stream else {}),
    }


STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
