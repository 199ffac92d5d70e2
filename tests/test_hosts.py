"""Two web hosts behind nginx restart one after the other while programs call: no call fails, and nothing is lost."""

import pytest

from benchmarks import hosts
from tests.servers import fixtures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_no_call_fails_while_the_web_hosts_restart() -> None:
    for name in ("postgres", "redis", "nginx"):
        fixtures.skip_without(name)
    with hosts.running_site("redis", pooler=False) as site:
        rows = hosts.rehearse(site, only="restart web")
    assert [name for name, _, _ in rows] == ["restart web1", "restart web2"], "and no revocation was lost"
    for name, seen, faults in rows:
        assert seen["answered"] > 0, name
        assert faults == [], name
