"""`bin/ddb/patterns/get-conversation` of old: the newest 20 messages of a
conversation, by boto3.

    get_conversation.py TABLE MESSAGE_GROUP_UUID
"""

import sys

import boto3

table, group = sys.argv[1:]
answer = boto3.client("dynamodb").query(
    TableName=table,
    ScanIndexForward=False,
    Limit=20,
    KeyConditionExpression="pk = :pk",
    ExpressionAttributeValues={":pk": {"S": f"MSG#{group}"}},
)
for item in reversed(answer["Items"]):
    handle, said = item["user_handle"]["S"], item["message"]["S"]
    print(f"{handle:16}{item['sk']['S'][:19]}  {said[:40]}...")
