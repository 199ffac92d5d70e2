"""The peers as fixtures: one of each per test process, skipped with the reason where the machine lacks something."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.servers import peers
from tests.servers.installed import Missing


@pytest.fixture(scope="session")
def oidc_provider_peer() -> Iterator[peers.Peer]:
    yield from _or_skip(peers.oidc_provider())


@pytest.fixture(scope="session")
def canaille_peer() -> Iterator[peers.Peer]:
    yield from _or_skip(peers.canaille())


def _or_skip(starting: AbstractContextManager[peers.Peer]) -> Iterator[peers.Peer]:
    with ExitStack() as stack:
        try:
            peer = stack.enter_context(starting)
        except Missing as lack:
            pytest.skip(str(lack))
        yield peer
