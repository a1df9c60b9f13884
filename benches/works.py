"""The works that are measured, each with the targets it has to meet. A work
takes the setting and gives its results, cruddur's figure first in each."""

import json
import os
import shutil

import items
import servers
from measure import Figure, Sample, Way
from results import Claim, Result
from results import memory_under, seconds_under, share_of, times_faster, times_slower
from setting import PAGE_ITEMS, PEERS, Server

# What a call says that wants to know what it consumed. DynamoDB Local takes its
# time for that; cruddur asks in production and with --max-capacity.
COUNTED = {"ReturnConsumedCapacity": "TOTAL"}
# How many moves of two deletes and two puts a transaction takes. They go two at
# a time: DynamoDB Local gives up a fourth that waits for three.
TOGETHER = 25


def list_tables(setting):
    server = setting.embedded
    ours, curl, aws, boto3 = setting.short(
        setting.cruddur(server, "ddb", "list-tables"),
        setting.curl(server, "ListTables", "{}"),
        setting.aws(server, "dynamodb", "list-tables", runs=setting.rounds),
        setting.peer("boto3", server, "list_tables.py", runs=setting.rounds),
    )
    claims = [times_slower(ours, curl, 1.2), times_faster(ours, aws, 50)]
    yield Result("ddb list-tables", [ours, curl, aws, boto3], claims)


def get_conversation(setting):
    count, table = setting.size(10_000), "conversation"
    group = items.group_uuid(0)
    query = {
        "TableName": table,
        "Limit": 20,
        "ScanIndexForward": False,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": f"MSG#{group}"}},
    }
    words = ("ddb", "patterns", "get-conversation", "--message-group-uuid", group)
    for server in (setting.embedded, setting.dynamodb_local):
        setting.create(server, table)
        setting.load(server, table, items.messages(count, 1))
        ours, curl, boto3 = setting.short(
            setting.cruddur(server, *words, "--table", table),
            setting.curl(server, "Query", json.dumps(query)),
            setting.peer("boto3", server, "get_conversation.py", table, group, runs=setting.rounds),
        )
        work = f"get-conversation, 20 of {count:,} messages, {server.name}"
        yield Result(work, [ours, curl, boto3], [times_slower(ours, curl, 1.5)])


def import_items(setting):
    count, table = setting.size(100_000), "import"
    few = count // 100
    file = setting.write("items", map(items.line, items.messages(count, 100)))
    calls = setting.write("calls", items.put_calls(table, items.messages(count, 100)))
    counted = setting.write("counted", items.put_calls(table, items.messages(count, 100), COUNTED))
    for server in (setting.dynamodb_local, setting.embedded):

        def empty():
            setting.create(server, table)

        def boto3(name, how, written):
            def scaled(printed):
                return float(printed) * count / written

            words = ("write_items.py", how, table, file, written)
            return setting.peer(name, server, *words, prepare=empty, seconds=scaled, runs=1)

        figures = setting.in_turn(
            setting.cruddur(server, "ddb", "import", file, "--table", table, prepare=empty),
            setting.replay(server, calls, prepare=empty),
            setting.replay(server, counted, prepare=empty, name="the same, told the capacity"),
            boto3("boto3 batch_writer", "batch", count),
            boto3("boto3 PutItem", "one-by-one", few),
        )
        claims = [share_of(*figures[:2]), memory_under(figures[0], 40)]
        note = f"PutItem's time is that of {few:,} items, scaled up."
        yield Result(f"ddb import of {count:,} messages, {server.name}", figures, claims, note)
        setting.drop(server, table)


def scan_dynamodb_local(setting):
    count, table, server = setting.size(100_000), "scan", setting.dynamodb_local
    setting.create(server, table)
    setting.load(server, table, items.messages(count, 100))
    output = setting.path("scanned")
    words = ("dynamodb", "scan", "--table-name", table, "--output", "json")
    figures = setting.in_turn(
        setting.cruddur(server, "ddb", "scan", "-o", "jsonl", "--table", table, output=output),
        setting.limit(server, "scan", 4, table, PAGE_ITEMS),
        setting.peer("boto3", server, "scan.py", table, output=output, runs=1),
        setting.aws(server, *words, output=output, runs=1),
        rounds=3 * setting.rounds,
    )
    note = f"the limit client reads four segments in pages of {PAGE_ITEMS:,} items."
    work = f"ddb scan of {count:,} items, {server.name}"
    yield Result(work, figures, [share_of(*figures[:2])], note)
    setting.drop(server, table)


def scan_embedded(setting):
    table, server = "scan", setting.embedded
    output = setting.path("scanned")
    ways = [
        setting.cruddur(server, "ddb", "scan", "-o", "jsonl", "--table", table, output=output),
        setting.limit(server, "scan", 1, table, PAGE_ITEMS),
        setting.peer("boto3", server, "scan.py", table, output=output, runs=1),
    ]
    for count in (setting.size(100_000), setting.size(1_000_000)):
        setting.create(server, table)
        setting.load(server, table, items.messages(count, 100))
        figures = setting.in_turn(*ways)
        claims = [share_of(*figures[:2]), memory_under(figures[0], 40)]
        yield Result(f"ddb scan of {count:,} items, {server.name}", figures, claims)
        # boto3 takes minutes for a million, and tells nothing new.
        ways.pop()
    setting.drop(server, table)


def seed(setting):
    count, table = setting.size(10_000), "seed"
    file = setting.write("conversation.json", [json.dumps(items.conversation(count))])
    for server in (setting.dynamodb_local, setting.embedded):

        def empty():
            setting.create(server, table)

        ours = setting.cruddur(server, "ddb", "seed", file, "--table", table, prepare=empty)
        ours.run(setting.tools.spawn)
        calls = setting.write("calls", items.put_calls(table, scanned(setting, server, table)))
        limit = setting.replay(server, calls, prepare=empty)
        figures = setting.in_turn(ours, limit, rounds=3 * setting.rounds)
        work = f"ddb seed of {count:,} messages, {server.name}"
        yield Result(work, figures, [share_of(*figures)])
        setting.drop(server, table)


def scanned(setting, server, table):
    """The items of a table as DynamoDB has them."""
    output = setting.path("scanned")
    words = ("ddb", "scan", "--raw", "-o", "jsonl", "--table", table)
    setting.cruddur(server, *words, output=output).run(setting.tools.spawn)
    with open(output) as lines:
        return [json.loads(line) for line in lines]


def cognito_ids(setting):
    count = setting.size(100_000)
    users = list(items.pool_users(count))
    setting.write("pool.csv", (f"{handle},{sub}\n" for handle, sub in users))
    server = setting.stack("embedded, with users", users)
    sql(setting, server, f"""insert into public.users (display_name, handle, email, cognito_user_id)
        select 'User', 'user' || lpad(n::text, 6, '0'), '', 'MOCK'
        from generate_series(0, {count - 1}) n""")
    work = f"db update-cognito-user-ids of {count:,} users"
    yield ids_updated(setting, server, work, count, setting.size(10_000))
    # What the scripts had: each of their statements reads the whole table.
    sql(setting, server, "alter table public.users drop constraint users_handle_key")
    work += ", no index on handle"
    yield ids_updated(setting, server, work, count, setting.size(1_000))


def ids_updated(setting, server, work, count, few):
    def reset():
        """As they were, in a table as small as it was."""
        sql(setting, server, "update public.users set cognito_user_id = 'MOCK'")
        sql(setting, server, "vacuum full analyze public.users")

    def row_by_row(printed):
        pages, updates = map(float, printed.split())
        return updates * count / few

    bare_sql = [*psql(setting, server), "-f", str(PEERS / "cognito_ids.sql")]
    words = ("db", "update-cognito-user-ids", "-o", "jsonl")
    whole, listed, bare, rows = setting.in_turn(
        setting.cruddur(server, *words, name="cruddur, with the pool's pages", prepare=reset),
        setting.cruddur(
            server, "cognito", "list-users", "-o", "jsonl", name="those pages alone", prepare=reset
        ),
        Way("bare SQL", bare_sql, server.env, setting.folder, prepare=reset),
        setting.peer(
            "row by row", server, "cognito_ids.py", few, prepare=reset, seconds=row_by_row, runs=1
        ),
        # A difference is as noisy as both that it is taken of.
        rounds=8 * setting.rounds,
    )
    ours = difference("cruddur", whole, listed)
    claims = [times_faster(ours, rows, 100), times_slower(ours, bare, 1.2)]
    note = (
        "the pool's pages cost every way the same, so what is compared is the part in the "
        "database: cruddur's is its run less, in the same round, one of `cognito list-users`; "
        f"row by row is that of {few:,} users, scaled up."
    )
    return Result(work, [ours, whole, listed, bare, rows], claims, note)


def psql(setting, server):
    return [setting.tools.psql, "-qX", "-v", "ON_ERROR_STOP=1", server.env["CONNECTION_URL"]]


def sql(setting, server, statement):
    setting.run([*psql(setting, server), "-c", statement], server.env)


def difference(name, whole, part):
    pairs = zip(whole.samples, part.samples)
    samples = [Sample(a.seconds - b.seconds, a.megabytes, "") for a, b in pairs]
    return Figure(name, samples)


def list_users(setting):
    count = setting.size(10_000)
    users = list(items.pool_users(count))
    embedded = setting.stack("embedded", users)
    yield listed(setting, embedded, count, rounds=4 * setting.rounds)
    # A Cognito whose pages take as long as a network's.
    handles = [handle for handle, _ in users]
    with servers.moto(setting.tools.moto, handles) as (url, pool):
        variables = {
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": url,
            "AWS_COGNITO_USER_POOL_ID": pool,
        }
        moto = Server("moto", embedded.url, {**embedded.env, **variables})
        yield listed(setting, moto, count, rounds=5 * setting.rounds)


def listed(setting, server, count, rounds):
    address = server.env["AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"].removeprefix("http://")
    pool = server.env["AWS_COGNITO_USER_POOL_ID"]
    pages = [setting.tools.limit, address, "list-users", pool]
    figures = setting.in_turn(
        setting.cruddur(server, "cognito", "list-users", "-o", "jsonl"),
        Way("the server's pages", pages, setting.env, seconds=float),
        rounds=rounds,
    )
    work = f"cognito list-users, {count:,} users, {server.name}"
    return Result(work, figures, [times_slower(*figures, 1.05)])


def stream(setting):
    # DynamoDB Local takes a hundredth of the transactions, and becomes slower with
    # every record that its streams have held: fifty times in twenty runs.
    note = "the server is started and warmed anew for each run."
    with setting.restarted_dynamodb_local() as (server, restart):
        yield drain(setting, server, setting.size(200), note, restart)
    yield drain(setting, setting.embedded, setting.size(10_000))


def drain(setting, server, count, note="", restart=lambda: None):
    """One message in each conversation is the most that can be asked: all of
    them have to be moved, by as few transactions as can be, or by one each."""
    table = "stream"
    begun = setting.write("groups", map(items.line, items.group_items(count)))
    said = setting.write("said", map(items.line, items.messages(count, count)))
    few = setting.write("few", items.moves(table, count, TOGETHER))
    asked = setting.write("asked", items.moves(table, count, TOGETHER, queries=True))
    each = setting.write("each", items.moves(table, count, 1))

    # Where it keeps its place in the stream.
    folder = setting.path("drain")
    os.makedirs(folder, exist_ok=True)

    def ddb(*words):
        setting.run([setting.program, "ddb", *words, "--table", table, "-q"], server.env, folder)

    def fill():
        restart()
        setting.create(server, table, stream=True)
        ddb("import", begun)
        ddb("stream", "drain")
        ddb("import", said)

    def transactions(name, calls, *connections):
        return setting.replay(server, calls, *connections, prepare=fill, name=name)

    figures = setting.in_turn(
        setting.cruddur(
            server, "ddb", "stream", "drain", "--table", table, prepare=fill, folder=folder
        ),
        transactions(f"the server's transactions, {TOGETHER} moves each", few, 2),
        transactions("these, and the queries before them", asked, 2),
        transactions("the server's transactions, one move each", each),
    )
    setting.drop(server, table)
    work = f"ddb stream drain of {count:,} conversations, {server.name}"
    ours, few, _, each = figures
    return Result(work, figures, [share_of(ours, few), share_of(ours, each)], note)


def setup(setting):
    folder = setting.path("stack")

    def down():
        if os.path.exists(folder):
            setting.run([setting.program, "local", "down"], setting.env, folder)
            shutil.rmtree(folder)

    def anew():
        down()
        os.mkdir(folder)

    def program(name, **options):
        command = [setting.program, "setup", "--local"]
        return Way(name, command, setting.env, folder, **options)

    setting.ending.callback(down)
    first, second = setting.in_turn(program("the first time", prepare=anew), program("the second"))
    claims = [seconds_under(first, 3), seconds_under(second, 0.5)]
    yield Result("setup --local", [first, second], claims)


def version(setting):
    ours, nothing = setting.short(
        Way("cruddur", [setting.program, "--version"], setting.env),
        Way("/bin/true", ["/bin/true"], setting.env),
    )
    claims = [times_slower(ours, nothing, 1.5), memory_under(ours, 8)]
    yield Result("cruddur --version", [ours, nothing], claims)


def binary(setting):
    stripped = setting.path("stripped")
    shutil.copy(setting.program, stripped)
    setting.run(["strip", stripped], setting.env)
    megabytes = os.path.getsize(stripped) / 1e6
    claim = Claim("under 25 MB stripped", f"{megabytes:.1f} MB", megabytes < 25)
    yield Result("the binary", [], [claim])
