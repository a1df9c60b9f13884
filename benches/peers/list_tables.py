"""`bin/ddb/list-tables` of old: the names of the tables, by boto3."""

import boto3

client = boto3.client("dynamodb")
for name in client.list_tables()["TableNames"]:
    print(name)
