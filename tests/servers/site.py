"""Keyrack itself as a child process, served as in production, on the database of the running test."""

import os
from pathlib import Path

from tests.servers.served import Served
from tests.servers.worker import environment


class Site(Served):
    """`settings` are further variables of its environment; `site_url` is its own address unless given."""

    def __init__(self, server: str, folder: Path, *, site_url: str = "", **settings: str) -> None:
        variables = {**os.environ, **environment("filesystem://localhost//", folder), **settings}
        super().__init__(server, folder, variables, threads=64, site_url=site_url)
