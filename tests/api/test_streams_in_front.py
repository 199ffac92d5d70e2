"""Streams through nginx and Caddy, as deploy/ sets them up: their own process has Keyrack's rules."""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest
import requests

from accounts.models import User
from integrations.models import Alias, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.api.conftest import Program
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers import fronts, machine
from tests.servers.flowing import PATIENCE, Flowing
from tests.servers.fronts import HOST, Front
from tests.servers.hostile import HostileServer
from tests.servers.served import Served
from tests.servers.worker import environment, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]
INTEGRATIONS = "/api/v1/integrations/"
SITE_THREADS, STREAM_THREADS = 4, 32
STREAMS = STREAM_THREADS // 2  # as many as one program may have
CALLS_PER_MINUTE = 80


@dataclass
class Hub:
    """A site with few threads, its process for streams, and what is in front of both."""

    front: Front
    streams: Served
    folder: Path
    party: Flowing
    authorization: str

    def get(self, path: str, **headers: str) -> requests.Response:
        sent = {"Host": HOST, "Authorization": self.authorization, **headers}
        url = f"{self.front.url}{path}"
        return requests.get(url, headers=sent, verify=False, allow_redirects=False, timeout=60)  # noqa: S501

    def stream(self) -> ssl.SSLSocket:
        """A stream whose first event has come."""
        parts = urlsplit(self.front.url)
        context = ssl._create_unverified_context()  # noqa: S323  the certificate is this test's own
        plain = create_connection((parts.hostname or "", parts.port or 0), timeout=30)
        sock = context.wrap_socket(plain, server_hostname=HOST)
        head = f"GET {INTEGRATIONS}flowing/proxy/steps HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        sock.sendall(f"{head}Authorization: {self.authorization}\r\n\r\n".encode())
        came = b""
        while b"data: 0\n\n" not in came:
            piece = sock.recv(65536)
            assert piece, came
            came += piece
        assert came.startswith(b"HTTP/1.1 200"), came
        return sock

    def logs(self) -> str:
        return self.front.logs() + "".join(path.read_text() for path in self.folder.glob("*.log"))


@pytest.fixture
def party() -> Iterator[Flowing]:
    with Flowing() as running:
        yield running


@pytest.fixture(params=["nginx", "caddy"])
def hub(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    amira: User,
    party: Flowing,
    server: HostileServer,
    program: Program,
) -> Iterator[Hub]:
    if words := machine.lacks(request.param):
        pytest.skip(words)
    for name, url in (("flowing", party.url), ("inside", "http://10.0.0.1")):
        registry = cast.registry_at(url, name=name)
        cast.signed_in(amira, cast.integration_at(registry, name=name, connection_url=f"{url}/api"))
    cast.signed_in(amira, walks.northwind(server))
    Alias.objects.update(allow_token_export=True)
    scopes = ("tokens:read", "service:flowing", "service:inside", "service:northwind")
    authorization = program(*scopes).defaults["HTTP_AUTHORIZATION"]
    variables = {
        **os.environ,
        **environment("filesystem://localhost//", tmp_path),
        "ALLOWED_HOSTS": HOST,
        "BEHIND_TLS_PROXY": "true",
        "API_CALLS_PER_MINUTE": str(CALLS_PER_MINUTE),
    }
    with ExitStack() as stack:
        site, streams = (
            stack.enter_context(Served("granian", tmp_path, each, threads=threads, site_url=f"https://{HOST}"))
            for each, threads in (
                (variables, SITE_THREADS),
                ({**variables, "PROXY_TIMEOUT_MAX_SECONDS": "900"}, STREAM_THREADS),
            )
        )
        front = stack.enter_context(getattr(fronts, request.param)(site.url, streams.url))
        yield Hub(front, streams, tmp_path, party, authorization)


def test_streams_are_held_apart_and_keyracks_rules_hold(hub: Hub, amira: User, server: HostileServer) -> None:
    streams_leave_the_sites_threads_alone(hub, amira)
    a_refused_token_is_renewed(hub, server)
    nobody_gets_in_who_may_not(hub)
    no_address_inside_is_called(hub)
    what_a_third_party_says_leads_nowhere(hub, server)
    calls_are_limited(hub)
    nothing_secret_is_in_a_log(hub)
    without_the_process_the_site_takes_the_calls(hub)


def streams_leave_the_sites_threads_alone(hub: Hub, amira: User) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(hub.stream()) for _each in range(STREAMS)]
        tokens = [hub.get(f"{INTEGRATIONS}flowing/token/").status_code for _each in range(2 * SITE_THREADS)]
        assert tokens == [200] * len(tokens)
        assert hub.get("/healthz").text == "ok"
        refused = hub.get(f"{INTEGRATIONS}flowing/proxy/source?bytes=1")
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
        PersonalAuthAPI(amira).revoke_token("flowing")
        began = monotonic()
        for stream in streams:
            came = b""
            while piece := stream.recv(65536):
                came += piece
            assert b"data" not in came
        print(f"{STREAMS} streams ended {monotonic() - began:.2f} s after the revocation")
    for _each in range(3 * STREAMS):  # what the third party still sends, nobody takes
        hub.party.step.set()
        sleep(0.02)
    assert hub.party.hung_up.wait(PATIENCE)
    answer = hub.get(f"{INTEGRATIONS}flowing/proxy/source?bytes=1")
    assert (answer.status_code, answer.json()["error"]) == (401, "integration_not_authenticated")
    cast.signed_in(amira, Alias.objects.get(name="flowing"))
    assert hub.get(f"{INTEGRATIONS}flowing/proxy/source?bytes=1").text == "x"


def a_refused_token_is_renewed(hub: Hub, server: HostileServer) -> None:
    server.on("GET /api/contacts").answer(status=401).always(json={"count": 1})
    server.on(ASKED).answer(json=GRANTED)
    answer = hub.get(f"{INTEGRATIONS}northwind/proxy/contacts")
    assert answer.json() == {"count": 1}
    assert [call.headers["authorization"][-1] for call in server.calls_to("GET /api/contacts")] == ["1", "2"]
    assert "CANARY" not in f"{answer.headers}{answer.text}"
    used = Token.objects.filter(credential__name="northwind", last_used_by="REST (Weekly digest)")
    assert eventually(used.exists)


def nobody_gets_in_who_may_not(hub: Hub) -> None:
    proxied = f"{INTEGRATIONS}flowing/proxy/"
    assert hub.get(f"{proxied}source?bytes=1", Authorization="Bearer x").status_code == 401
    assert hub.get(f"{INTEGRATIONS}nowhere/proxy/source?bytes=1").status_code == 404
    assert hub.get(f"{proxied}..%252fadmin").status_code == 400
    assert hub.get(f"{proxied}x", **{"Keyrack-Timeout": "901"}).status_code == 400
    answer = hub.get(f"{INTEGRATIONS}flowing/proxy/source?bytes=1", **{"Keyrack-Timeout": "900"})
    assert answer.status_code == 200, "only the process for streams allows so much"


def no_address_inside_is_called(hub: Hub) -> None:
    answer = hub.get(f"{INTEGRATIONS}inside/proxy/")
    assert answer.status_code == 502
    assert "10.0.0.1" not in answer.text


def what_a_third_party_says_leads_nowhere(hub: Hub, server: HostileServer) -> None:
    headers = {"X-Accel-Redirect": "/healthz", "X-Sendfile": "/etc/passwd", "Location": "https://evil.example"}
    server.on("GET /api/tricks").always(text="theirs", headers=headers)
    answer = hub.get(f"{INTEGRATIONS}northwind/proxy/tricks")
    assert answer.text == "theirs"
    assert not headers.keys() & answer.headers.keys()


def calls_are_limited(hub: Hub) -> None:
    path = f"{INTEGRATIONS}flowing/proxy/source?bytes=1"
    statuses = [hub.get(path).status_code for _each in range(CALLS_PER_MINUTE + 1)]
    assert 429 in statuses


def nothing_secret_is_in_a_log(hub: Hub) -> None:
    logs = hub.logs()
    assert logs
    assert "CANARY" not in logs
    assert hub.authorization.removeprefix("Bearer ") not in logs


def without_the_process_the_site_takes_the_calls(hub: Hub) -> None:
    hub.streams.__exit__(None, None, None)
    sleep(0.2)
    answer = hub.get(f"{INTEGRATIONS}flowing/proxy/x", **{"Keyrack-Timeout": "900"})
    assert (answer.status_code, answer.json()["error"]) in {(400, "invalid_request"), (429, "too_many_requests")}
