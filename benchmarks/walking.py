"""The walks that `benchmarks.walks` traces: real requests through the test client, a scripted provider behind them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from django.core.cache import cache
from django.test import Client

from accounts.access_tokens import usage as usage_of_secrets
from accounts.oauth_server.models import Application
from foundation import batched_writes
from integrations import flows
from integrations.connections import revocations
from integrations.connections.renewal import usage
from integrations.models import Alias, Revocation, Token
from tests import cast, walks
from tests.accounts import programs, tokens
from tests.conftest import client_of
from tests.integrations import flowing
from tests.servers.hostile import HostileServer

REST = "/api/v1/integrations/northwind/"
SCOPES = ("tokens:read", "service:northwind", "subflows:run")


@contextmanager
def ready() -> Iterator[dict[str, Callable[[], object]]]:
    """Each walk by its name, in an order in which they can be made. All have been made once.

    Uses are collected, as in a web process, and stored by `store_uses`.
    """
    collecting = mock.patch.object(batched_writes, "_collects", True)
    with collecting, mock.patch.object(batched_writes.Batch, "start_thread"), HostileServer() as server:
        made = walks_at(server)
        for walk in made.values():
            walk()
            store_uses()
        yield made


def store_uses() -> None:
    for batch in (usage.USES, *usage_of_secrets.USES.values()):
        batch.store_all()


def walks_at(server: HostileServer) -> dict[str, Callable[[], object]]:
    server.on("GET /api/contacts").always(json=[])
    server.on(flowing.INCIDENTS).always(json={"result": []})
    server.on("POST /token").always(json=walks.token_answer())
    server.on("POST /revoke").always(status=200)
    amira = cast.person("amira")
    alias = walks.northwind(server)
    Alias.objects.update(allow_token_export=True)
    flowing.subflow_of(flowing.open_incidents(alias))
    flowing.subflow_of(*(flowing.open_incidents(alias, name=f"list_{each}") for each in "abc"), name="three_calls")
    browser, states = client_of(amira), list[str]()
    start_url, registry = walks.start_url(alias), walks.registry_of(alias)
    programs.program()
    Application.objects.update(allowed_scopes=" ".join(SCOPES))
    oauth = bearer(programs.granted(client_of(amira), scope=" ".join(SCOPES))["access_token"])
    permanent = bearer(tokens.make_token(amira, *SCOPES)[1])

    def authenticate() -> None:
        states.append(walks.asked(browser.get(start_url))["state"])

    def callback() -> None:
        answer = walks.callback_url(registry, {"code": "CANARY-code", "state": states.pop()})
        expect(browser.get(answer).status_code, 303)

    def get(client: Client, path: str) -> Callable[[], object]:
        return lambda: expect(client.get(f"{REST}{path}").status_code, 200)

    def run() -> None:
        answer = oauth.post("/api/v1/subflows/my_open_incidents/runs/", {}, content_type="application/json")
        expect(answer.json()["status"], "succeeded")

    def run_three() -> None:
        expect(flows.run_subflow("three_calls", user=amira).status, "succeeded")

    def revoke() -> None:
        expect(browser.post(f"/integrations/{alias.hex}/revoke/").status_code, 302)
        expect(Token.objects.count(), 0)

    def tell() -> None:
        cache.clear()
        for revocation in Revocation.objects.filter(settled_at=None):
            revocations.deliver(revocation)

    return {
        "authenticate": authenticate,
        "callback": callback,
        "proxied call, OAuth token": get(oauth, "proxy/contacts"),
        "proxied call, permanent token": get(permanent, "proxy/contacts"),
        "token/": get(oauth, "token/"),
        "subflow by REST": run,
        "subflow of three calls": run_three,
        "revoke click": revoke,
        "provider told": tell,
    }


def bearer(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def expect(actual: object, expected: object) -> None:
    """A walk that went elsewhere must not be counted."""
    if actual != expected:
        raise SystemExit(f"Expected {expected}, got {actual}.")
