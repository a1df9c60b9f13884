"""Made-up messages, conversations and users, always the same."""

import datetime
import itertools
import json
import uuid

BEGIN = datetime.datetime(2023, 3, 24, tzinfo=datetime.timezone.utc)
# BatchWriteItem takes no more.
CALL_ITEMS = 25


def key(second):
    return (BEGIN + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def person(number):
    return {
        "user_uuid": str(uuid.UUID(int=number + 1)),
        "user_display_name": "Andrew Brown",
        "user_handle": "andrewbrown",
    }


def group_uuid(number):
    return str(uuid.UUID(int=2**64 + number))


def typed(values):
    return {name: {"S": value} for name, value in values.items()}


def line(item):
    return json.dumps(item, separators=(",", ":")) + "\n"


def message(number, group):
    """The number-th message of all, of about 470 bytes, as DynamoDB has it."""
    return typed(
        {
            "pk": f"MSG#{group_uuid(group)}",
            "sk": key(number + 1),
            "message": f"message {number} " + "x" * 200,
            "message_uuid": str(uuid.UUID(int=2**96 + number)),
            **person(2 * group),
        }
    )


def messages(count, groups):
    """Messages that are written to so many conversations in turn."""
    return (message(number, number % groups) for number in range(count))


def group_items(groups):
    """The items of conversations that began before any message."""
    for number in range(groups):
        for one, other in ((0, 1), (1, 0)):
            yield typed(
                {
                    "pk": f"GRP#{person(2 * number + one)['user_uuid']}",
                    "sk": key(0),
                    "message_group_uuid": group_uuid(number),
                    "message": "first",
                    **person(2 * number + other),
                }
            )


def put_calls(table, items, options=None):
    """BatchWriteItem calls, as the limit client reads them."""
    items = iter(items)
    while batch := list(itertools.islice(items, CALL_ITEMS)):
        requests = [{"PutRequest": {"Item": item}} for item in batch]
        yield "BatchWriteItem " + line({"RequestItems": {table: requests}, **(options or {})})


def moves(table, groups, together, queries=False):
    """Transactions that bring as many conversations to one message each, so many
    in one, and before each, if wanted, the queries that find out what to move."""
    pairs = enumerate(zip(*[group_items(groups)] * 2))
    while some := list(itertools.islice(pairs, together)):
        actions = []
        for number, items in some:
            if queries:
                yield "Query " + line(index_query(table, number))
            for item in items:
                moved = {**item, **moved_to(number)}
                actions += [{"Delete": delete(table, item)}, {"Put": put(table, moved)}]
        yield "TransactWriteItems " + line({"TransactItems": actions})


MOVED = ("pk", "sk", "message")


def moved_to(number):
    said = message(number, number)
    return {"sk": said["sk"], "message": said["message"]}


def delete(table, item):
    carried = {name: value for name, value in item.items() if name not in MOVED}
    same = "".join(f" AND #{name} = :{name}" for name in carried)
    return {
        "TableName": table,
        "Key": {"pk": item["pk"], "sk": item["sk"]},
        "ConditionExpression": "attribute_exists(pk)" + same,
        "ExpressionAttributeNames": {f"#{name}": name for name in carried},
        "ExpressionAttributeValues": {f":{name}": value for name, value in carried.items()},
    }


def put(table, item):
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(pk) OR message_group_uuid = :group",
        "ExpressionAttributeValues": {":group": item["message_group_uuid"]},
    }


def index_query(table, number):
    return {
        "TableName": table,
        "IndexName": "message-group-sk-index",
        "KeyConditionExpression": "message_group_uuid = :group",
        "ExpressionAttributeValues": {":group": {"S": group_uuid(number)}},
    }


def conversation(count):
    """A file for `cruddur ddb seed`."""
    handles = ("andrewbrown", "bayko")
    said = [
        {"handle": handles[number % 2], "message": f"message {number} " + "x" * 200}
        for number in range(count)
    ]
    return {"message_group_uuid": group_uuid(0), "users": handles, "messages": said}


def pool_users(count):
    """Handles and subs."""
    return ((f"user{number:06}", str(uuid.UUID(int=2**97 + number))) for number in range(count))
