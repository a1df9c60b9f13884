"""The servers that benchmarks run against, and what a process costs."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request



def headers(service):
    """What AWS asks of a request that only a local server will read."""
    return {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Date": "20230324T094501Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=local/20230324/us-east-1/{service}"
        "/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
    }


HEADERS = headers("dynamodb")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    """Whether a real request is served: the tables are listed."""
    head = {**HEADERS, "X-Amz-Target": "DynamoDB_20120810.ListTables"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", b"{}", head)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return "TableNames" in json.load(answer)
    except (OSError, urllib.error.URLError):
        return False


def wait_for(child, port):
    while not answers(port):
        assert child.poll() is None, f"{child.args[0]} ended with {child.returncode}"
        time.sleep(0.005)


def dynamodb_local_command(port):
    """To be run in the folder of DynamoDBLocal.jar."""
    java = ["java", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    return [*java, "-inMemory", "-sharedDb", "-port", str(port)]


def ask(url, operation, body):
    """One request of DynamoDB."""
    return asked(url, HEADERS, f"DynamoDB_20120810.{operation}", body)


def ask_cognito(url, operation, body):
    """One request of Cognito."""
    target = f"AWSCognitoIdentityProviderService.{operation}"
    return asked(url, headers("cognito-idp"), target, body)


def asked(url, head, target, body):
    head = {**head, "X-Amz-Target": target}
    request = urllib.request.Request(url, json.dumps(body).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{target}: {error.read().decode()}") from error


@contextlib.contextmanager
def served(command, port, **options):
    """A server that answers on a port, as its address."""
    with open(os.devnull, "w") as null:
        child = subprocess.Popen(command, stdout=null, stderr=null, **options)
    try:
        wait_for(child, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()


def dynamodb_local(folder, port=None):
    """Amazon's DynamoDB Local, as its address."""
    port = port or free_port()
    return served(dynamodb_local_command(port), port, cwd=folder)


@contextlib.contextmanager
def moto(program, handles):
    """moto with a pool of users who have these handles, as its address and the
    pool's id."""
    port = free_port()
    with served([program, "-H", "127.0.0.1", "-p", str(port)], port) as url:
        pool = ask_cognito(url, "CreateUserPool", {"PoolName": "bench"})["UserPool"]["Id"]
        for handle in handles:
            attributes = {"preferred_username": handle, "email": f"{handle}@example.com"}
            user = {
                "UserPoolId": pool,
                "Username": handle,
                "UserAttributes": [{"Name": k, "Value": v} for k, v in attributes.items()],
            }
            ask_cognito(url, "AdminCreateUser", user)
        yield url, pool


@contextlib.contextmanager
def stack(program, pool_users=()):
    """A local stack whose stream nobody follows, as the variables that name it.
    Its pool has the handles and subs that are given, else its usual users."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*words):
            command = [program, "local", *words]
            return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout

        up = ("up", "--detach", "--free-ports", "--no-stream")
        run(*up)
        try:
            if pool_users:
                run("down")
                fill_pool(pathlib.Path(folder, ".cruddur/cognito.json"), pool_users)
                run(*up)
            yield json.loads(run("env", "-o", "json"))
        finally:
            run("down")


def fill_pool(path, users):
    """Replaces the users of a stack that is down, in the file that it keeps them
    in: with each user who is added by a request, that is written as a whole."""
    state = json.loads(path.read_text())
    [pool] = state["user_pools"].values()
    pattern = next(iter(pool["users"].values()))
    pool["users"] = {
        sub: {
            **pattern,
            "username": sub,
            "attributes": {**pattern["attributes"], "sub": sub, "preferred_username": handle},
        }
        for handle, sub in users
    }
    path.write_text(json.dumps(state))


def measured(command, **options):
    """Runs a command to its end: its output, seconds, and peak memory in megabytes."""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"{command} ended with {child.returncode}"
    return output, seconds, usage.ru_maxrss / 1000


def machine():
    """One line on where the figures were taken."""
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, {' '.join(os.uname()[0:3:2])}"
