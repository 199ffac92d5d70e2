"""Clients of the protocol from npm, installed on first use, with the Node.js that they need."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import pytest

from tests.servers import installed

SOURCE = Path(installed.__file__).parent / "mcp_clients"


def node_modules() -> Path:
    """The folder of the clients. Skips the test if the machine lacks Node.js or the network."""
    try:
        return installed.node_modules(SOURCE) / "node_modules"
    except installed.Missing as lack:
        pytest.skip(str(lack))


def node() -> str:
    """A Node.js of the version that the lock file has, or the machine's where npm has none for it."""
    found = sorted(node_modules().glob("node-*/bin/node"))
    return str(found[0]) if found else (shutil.which("node") or sys.executable)


def installed_program(package: str) -> list[str]:
    """The command that runs a package's only or first program."""
    folder = node_modules() / package
    programs = json.loads((folder / "package.json").read_text())["bin"]
    names = {"": programs} if isinstance(programs, str) else programs
    entry = names.get(package.rpartition("/")[2], next(iter(names.values())))
    return [node(), str(folder / entry)]


class TypeScriptAgent:
    """An agent built on a TypeScript SDK, as a child process; ends with its block. `settings` as in `agent.mjs`."""

    def __init__(self, library: str, url: str, **settings: Any) -> None:
        self.settings = {"installed": str(node_modules().parent), "library": library, "url": url, **settings}

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [node(), str(SOURCE / "agent.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.write(self.settings)
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{json.dumps(message)}\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def do(self, what: str, **details: Any) -> dict[str, Any]:
        self.write({"do": what, **details})
        return self.read()
