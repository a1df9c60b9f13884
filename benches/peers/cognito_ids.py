"""`bin/db/update_cognito_user_ids` of old, with the pages that it forgot: a
statement and a commit a user, by boto3 and psycopg.

    cognito_ids.py USERS

USERS is how many are updated, of the first pages. Prints the seconds that
those pages took, and those of the updates.
"""

import os
import sys
import time

import boto3
import psycopg

wanted = int(sys.argv[1])
client = boto3.client("cognito-idp")
pool = os.environ["AWS_COGNITO_USER_POOL_ID"]


def users():
    following = {}
    while True:
        page = client.list_users(UserPoolId=pool, **following)
        for user in page["Users"]:
            yield {attribute["Name"]: attribute["Value"] for attribute in user["Attributes"]}
        if "PaginationToken" not in page:
            return
        following = {"PaginationToken": page["PaginationToken"]}


begun = time.perf_counter()
found = [user for _, user in zip(range(wanted), users())]
listed = time.perf_counter()
with psycopg.connect(os.environ["CONNECTION_URL"], autocommit=True) as connection:
    for user in found:
        connection.execute(
            "UPDATE public.users SET cognito_user_id = %s WHERE handle = %s",
            (user["sub"], user["preferred_username"]),
        )
print(listed - begun, time.perf_counter() - listed)
