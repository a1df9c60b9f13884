#!/usr/bin/env python3
"""Uses a set-up stack as other programs do: boto3, the AWS CLI, psycopg with
its pool of ten, and psql. Everything comes from the environment:

    cruddur local exec --ephemeral -- python3 .ci/interop.py

Needs boto3, awscli and psycopg[binary,pool]; psql is skipped where it is missing.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import psycopg
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from psycopg_pool import ConnectionPool

TABLE = os.environ.get("CRUDDUR_TABLE", "cruddur-messages")
POOL = os.environ["AWS_COGNITO_USER_POOL_ID"]
URL = os.environ["CONNECTION_URL"]


def messages():
    """The seeded conversation, as Cruddur's web app reads it."""
    table = boto3.resource("dynamodb").Table(TABLE)
    items = table.scan()["Items"]
    groups = [item for item in items if item["pk"].startswith("GRP#")]
    assert len(groups) == 2, groups
    group = groups[0]["message_group_uuid"]
    found = table.query(
        KeyConditionExpression=Key("pk").eq(f"MSG#{group}"),
        ScanIndexForward=False,
        Limit=20,
    )["Items"]
    assert len(found) == 20 and found == sorted(found, key=lambda i: i["sk"], reverse=True)
    assert all("message_group_uuid" not in item for item in found)
    by_group = table.query(
        IndexName="message-group-sk-index",
        KeyConditionExpression=Key("message_group_uuid").eq(group),
    )["Items"]
    assert {item["pk"] for item in by_group} == {item["pk"] for item in groups}
    return f"{len(items)} items, newest {found[0]['sk']}"


def stream():
    """A put shows up in the table's stream, and the put is undone."""
    client = boto3.client("dynamodb")
    # Older SDKs do not read AWS_ENDPOINT_URL_DYNAMODB_STREAMS.
    streams = boto3.client(
        "dynamodbstreams", endpoint_url=os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
    )
    described = client.describe_table(TableName=TABLE)["Table"]
    assert described["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE"
    arn = described["LatestStreamArn"]
    key = {"pk": {"S": f"MSG#{uuid.uuid4()}"}, "sk": {"S": "2023-03-24T09:45:01.561513+00:00"}}
    client.put_item(TableName=TABLE, Item={**key, "message": {"S": "interop"}})
    seen = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            seen += page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
    client.delete_item(TableName=TABLE, Key=key)
    ours = [r for r in seen if r["dynamodb"]["Keys"] == key]
    assert ours and ours[0]["dynamodb"]["NewImage"]["message"] == {"S": "interop"}, len(seen)
    return f"{len(seen)} records"


def users():
    """ListUsers hands out at most 60 a page, and every user once."""
    client = boto3.client("cognito-idp")
    names = [f"interop-{uuid.uuid4().hex}" for _ in range(70)]
    for name in names:
        client.admin_create_user(
            UserPoolId=POOL,
            Username=f"{name}@example.com",
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "preferred_username", "Value": name}],
        )
    pages, token = [], {}
    while True:
        page = client.list_users(
            UserPoolId=POOL, AttributesToGet=["preferred_username", "sub"], **token
        )
        pages.append(page["Users"])
        if not page.get("PaginationToken"):
            break
        token = {"PaginationToken": page["PaginationToken"]}
    assert len(pages) > 1 and max(map(len, pages)) <= 60, list(map(len, pages))
    listed = [user["Username"] for page in pages for user in page]
    assert len(listed) == len(set(listed))
    found = client.list_users(UserPoolId=POOL, Filter=f'preferred_username = "{names[42]}"')
    assert len(found["Users"]) == 1, found
    for page in pages:
        for user in page:
            handle = {a["Name"]: a["Value"] for a in user["Attributes"]}["preferred_username"]
            if handle in names:
                client.admin_delete_user(UserPoolId=POOL, Username=user["Username"])
    try:
        client.list_users(UserPoolId=POOL, Limit=61)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterException", error
    except Exception:  # botocore's own validation, where it knows the limit
        pass
    return f"{len(listed)} users on {len(pages)} pages"


def aws_cli():
    """The AWS CLI, without a profile."""

    def aws(*arguments):
        command = shutil.which("aws") or os.path.join(os.path.dirname(sys.executable), "aws")
        done = subprocess.run(
            [command, *arguments, "--output", "json"], check=True, capture_output=True
        )
        return json.loads(done.stdout)

    tables = aws("dynamodb", "list-tables")["TableNames"]
    assert TABLE in tables, tables
    listed = aws("cognito-idp", "list-users", "--user-pool-id", POOL)["Users"]
    assert listed
    return f"{len(tables)} tables, {len(listed)} users"


def postgresql():
    """psycopg, and its pool with ten connections at work at once."""
    with psycopg.connect(URL) as connection:
        handles = connection.execute("select handle from public.users").fetchall()
        assert ("andrewbrown",) in handles
        mocked = "select count(*) from public.users where cognito_user_id = 'MOCK'"
        assert connection.execute(mocked).fetchone() == (0,)
    with ConnectionPool(URL, min_size=10, max_size=10) as pool:
        pool.wait(timeout=30)

        def work(number):
            with pool.connection() as connection:
                query = "select pg_sleep(0.02), pg_backend_pid(), %s::int"
                return connection.execute(query, (number,)).fetchone()[1:]

        with ThreadPoolExecutor(10) as executor:
            done = list(executor.map(work, range(200)))
    assert [number for _, number in done] == list(range(200))
    backends = len({backend for backend, _ in done})
    assert backends == 10, backends
    return f"{len(handles)} users, 200 queries over {backends} connections"


def psql():
    """psql, by the URL and by the PG* variables."""
    if not shutil.which("psql"):
        return "skipped: there is no psql"
    counts = [
        subprocess.run(
            ["psql", "-XAt", *where, "-c", "select count(*) from public.users"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for where in ([URL], [])
    ]
    assert counts[0] == counts[1] and int(counts[0]) >= 3, counts
    return f"{counts[0]} users"


for check in (messages, stream, users, aws_cli, postgresql, psql):
    print(f"{check.__name__:<12}{check()}", flush=True)
