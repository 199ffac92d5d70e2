"""What tests about stored tokens share: what a provider grants, and asking for a token as callers do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from accounts.models import User
from integrations import tokens
from integrations.models import Alias, OAuth2Credential
from tests.servers.hostile import Answer, Call
from tests.servers.worker import CHECKOUT, FILES, environment

GRANTED = {
    "access_token": "CANARY-access-2",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "CANARY-refresh-2",
}
ASKED = "POST /token"

# What each of several processes runs: so many threads that want the token, all let go by a line on standard input.
CALLERS = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from django.db import connection
from integrations import tokens
from integrations.models import Token
token = Token.objects.with_registry().get()
connection.close()

def call(number):
    try:
        return tokens.current(token.user, token.credential).access_token
    except Exception as error:
        return repr(error)
    finally:
        connection.close()

threads = int(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(threads) as pool:
    print(json.dumps(list(pool.map(call, range(threads)))))
"""


def credential_of(alias: Alias) -> OAuth2Credential:
    assert alias.effective_credential
    return alias.effective_credential


def current(user: User | None, alias: Alias, **options: float) -> str:
    held: str = tokens.current(user, credential_of(alias), **options).access_token
    return held


def in_threads(count: int, call: Callable[[], str]) -> list[str]:
    """What so many callers at once get, each on a database connection of its own."""

    def closed(_number: int) -> str:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(closed, range(count)))


def after(act: Callable[[], Any], answer: Answer | None = None) -> Callable[[Call], Answer]:
    """An answer of the scripted server, before which something happens: in its thread, on a connection of its own."""

    def reply(_call: Call) -> Answer:
        try:
            act()
        finally:
            connection.close()
        return answer or Answer(json=GRANTED)

    return reply


@contextmanager
def processes(count: int, threads: int, folder: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """So many processes of this site, with so many callers each, ready to go."""
    command = [sys.executable, "-c", CALLERS, str(threads)]
    told = {**os.environ, **environment(FILES, folder)}
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, env=told)
        for _ in range(count)
    ]
    try:
        for child in children:
            assert child.stdout
            assert child.stdout.readline() == "ready\n"
        yield children
    finally:
        for child in children:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream:
                    stream.close()
