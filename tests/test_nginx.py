"""deploy/nginx/keyrack.conf in front of a site: callers choose no address."""

import base64
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.servers import fronts, machine, migrated
from tests.servers.fronts import HOST
from tests.servers.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FORGED = {"X-Forwarded-For": "203.0.113.{}", "X-Forwarded-Proto": "http", "X-Real-IP": "203.0.113.{}"}
REFUSED = (401, 429)  # without a valid token; beyond the limit
CALLS = 6  # a minute, for callers without a token


@dataclass
class Proxied:
    url: str
    data: Path
    log: Path

    def call(self, path: str, forged: int = 1, /, **headers: str) -> requests.Response:
        sent = {"Host": HOST} | {name: value.format(forged) for name, value in FORGED.items()} | headers
        return requests.get(self.url + path, headers=sent, verify=False, allow_redirects=False, timeout=30)  # noqa: S501

    def addresses(self) -> set[str]:
        """Those under which wrong passwords were counted."""
        with contextlib.closing(sqlite3.connect(self.data / "keyrack.sqlite3")) as database:
            counters = [row[0] for row in database.execute("SELECT counter FROM accounts_attemptcounter")]
        return {counter.removeprefix("address ") for counter in counters if counter.startswith("address ")}


@pytest.fixture(scope="module", params=["granian", "gunicorn"])
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    if words := machine.lacks("nginx"):
        pytest.skip(words)
    tmp_path = tmp_path_factory.mktemp("site")
    environment = {
        **os.environ,
        "ALLOWED_HOSTS": HOST,
        "API_ANONYMOUS_CALLS_PER_MINUTE": str(CALLS),
        "BEHIND_TLS_PROXY": "true",
        "CELERY_BROKER_URL": "filesystem://localhost//",
        "DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "made up for this test, and long enough",
        "SITE_URL": f"https://{HOST}",
        "TOKEN_ENCRYPTION_KEYS": "k:" + base64.b64encode(os.urandom(32)).decode(),
    }
    environment.pop("DATABASE_URL", None)
    migrated.migrate(environment)
    with (
        Served(request.param, tmp_path, environment, site_url=f"https://{HOST}") as site,
        fronts.nginx(site.url) as front,
    ):
        yield Proxied(front.url, tmp_path / "data", front.home / "keyrack.log")


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize(
    "path", ["/api/v1/integrations/", "/api/v1/integrations/nowhere/proxy/", "/api/v1/subflow-runs/nowhere/"]
)
def test_a_caller_who_names_another_address_each_time_meets_the_limit(proxied: Proxied, path: str) -> None:
    statuses = [proxied.call(path, number, Authorization="Bearer wrong").status_code for number in range(2 * CALLS)]
    assert 429 in statuses, "the site and its count are shared by these tests; the addresses would be new each time"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_wrong_passwords_are_counted_under_the_address_that_nginx_saw(proxied: Proxied) -> None:
    for path in ("/api/v1/integrations/", "/api/v1/subflow-runs/nowhere/"):
        basic = "Basic " + base64.b64encode(b"amira:wrong").decode()
        assert proxied.call(path, Authorization=basic).status_code in REFUSED
    assert proxied.addresses() == {"127.0.0.1"}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_scheme_and_host_are_not_the_callers_to_choose(proxied: Proxied) -> None:
    for path in ("/accounts/login/", "/api/v1/integrations/"):
        assert proxied.call(path).status_code in {200, *REFUSED}, "https, whatever X-Forwarded-Proto says; no redirect"
        assert proxied.call(path, Host="evil.example").status_code == 400
        assert proxied.call(path, 1, **{"X-Forwarded-Host": "evil.example"}).status_code in {200, *REFUSED}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_log_has_no_secret_of_an_address(proxied: Proxied) -> None:
    for path in ("connect/CANARY-1/", "calendar/CANARY-2.ics", "%63alendar/CANARY-3.ics", "calendar/revoke/"):
        assert proxied.call(f"/integrations/{path}?code=CANARY-4").status_code in {404, 405}
    text = proxied.log.read_text()
    assert "CANARY" not in text
    for path in ("connect/***", "calendar/***", "calendar/revoke/"):
        assert f'"GET /integrations/{path} HTTP/1.1"' in text
