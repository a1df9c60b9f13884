"""`bin/ddb/scan` of old, to its last page: an item a line, by boto3.

    scan.py TABLE
"""

import json
import sys

import boto3

table = boto3.resource("dynamodb").Table(sys.argv[1])
following = {}
while True:
    page = table.scan(**following)
    for item in page["Items"]:
        print(json.dumps(item))
    if "LastEvaluatedKey" not in page:
        break
    following = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
