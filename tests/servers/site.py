"""Keyrack itself as a child process, served as in production, on the database of the running test."""

import os
from pathlib import Path

from tests.servers.served import Served
from tests.servers.worker import environment


class Site(Served):
    """`settings` are further variables of its environment."""

    def __init__(self, server: str, folder: Path, **settings: str) -> None:
        variables = {**os.environ, **environment("filesystem://localhost//", folder), **settings}
        super().__init__(server, folder, variables, threads=64)
