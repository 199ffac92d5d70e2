"""The nginx blocks of docs/operations.md, taken from the document, in front of a site: callers choose no address."""

import base64
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config.bootstrap import ROOT
from tests.servers import machine
from tests.servers.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
HOST = "hub.example"
FORGED = {"X-Forwarded-For": "203.0.113.{}", "X-Forwarded-Proto": "http", "X-Real-IP": "203.0.113.{}"}
REFUSED = (401, 429)  # without a valid token; beyond the limit
CALLS = 6  # a minute, for callers without a token
CONFIGURATION = """
daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1; user root;
events {{ }}
http {{
    access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    {server}
}}
"""


def documented_server(site: str, port: int, home: Path) -> str:
    """The blocks of the document as one server, with the addresses of this test."""
    text = (ROOT / "docs/operations.md").read_text()
    blocks: list[str] = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    server, location = blocks
    certificate = f"ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;"
    whole = server.rstrip().removesuffix("}") + location + "}"
    assert whole.count("http://127.0.0.1:8000") == 2
    return whole.replace("http://127.0.0.1:8000", site).replace(
        "listen 443 ssl;", f"listen 127.0.0.1:{port} ssl; {certificate}"
    )


def make_certificate(home: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (home / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (home / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, unencrypted))


@dataclass
class Proxied:
    url: str
    data: Path

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
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, check=True, cwd=ROOT)
    port = machine.free_port()
    with (
        Served(request.param, tmp_path, environment, site_url=f"https://{HOST}") as site,
        machine.folder("nginx") as home,
    ):
        make_certificate(home)
        server = documented_server(site.url, port, home)
        user = "" if os.geteuid() else "user root;"
        (home / "nginx.conf").write_text(CONFIGURATION.format(home=home, server=server).replace("user root;", user))
        command = [str(machine.found("nginx")), "-p", str(home), "-c", str(home / "nginx.conf")]
        with machine.running(command, home, lambda: machine.answers(port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 400")):
            yield Proxied(f"https://127.0.0.1:{port}", tmp_path / "data")


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
