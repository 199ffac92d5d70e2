"""Keyrack itself as a child process, served as in production, on the database of the running test."""

import os
from pathlib import Path

from tests.servers.served import Served
from tests.servers.worker import environment


class Site(Served):
    def __init__(self, server: str, folder: Path) -> None:
        told = {**os.environ, **environment("filesystem://localhost//", folder)}
        super().__init__(server, folder, told, threads=64)
