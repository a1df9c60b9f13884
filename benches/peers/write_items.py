"""`bin/ddb/seed` of old: writes the items of a file, by boto3.

    write_items.py one-by-one|batch TABLE FILE [COUNT]

The file has an item a line as DynamoDB has it; all attributes are strings.
COUNT is how many are written. Prints the seconds that writing took.
"""

import itertools
import json
import sys
import time

import boto3

how, table, file, *count = sys.argv[1:]
table = boto3.resource("dynamodb").Table(table)
with open(file) as lines:
    begun = time.perf_counter()
    lines = itertools.islice(lines, *map(int, count)) if count else lines
    items = ({name: value["S"] for name, value in json.loads(line).items()} for line in lines)
    if how == "batch":
        with table.batch_writer() as batch:
            for item in items:
                batch.put_item(Item=item)
    else:
        for item in items:
            table.put_item(Item=item)
print(time.perf_counter() - begun)
