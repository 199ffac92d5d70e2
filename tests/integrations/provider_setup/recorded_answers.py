"""Recorded answers of a template's provider, and a server that plays them."""

import hmac
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

from foundation.oauth_client.registration import with_origin
from integrations.models import definitions
from integrations.models.definitions import Definition, parse_definition
from integrations.models.registry import Alias, ApplicationRegistry, HttpConnection
from integrations.provider_setup import from_template
from integrations.provider_setup.from_template import PROVIDERS
from tests import cast
from tests.servers.hostile import Answer, HostileServer

KEYS = sorted(from_template.keys_with_answers())
CLIENT_SECRET = "CANARY-client-secret"
MOMENT = re.compile(r"\{now([+-]\d+)?\}")
URLS = (
    "authorization_url", "token_url", "refresh_url", "token_revocation_url", "token_introspection_url", "userinfo_url",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One answers file. Kinds that it leaves out are empty."""

    key: str
    definition: Definition
    document: Mapping[str, Any]

    def answers(self, *path: str) -> list[Mapping[str, Any]]:
        """All answers of one kind, whether the file has one or a list of them."""
        place: Any = self.document
        for name in path:
            place = (place or {}).get(name) or {}
        return place if isinstance(place, list) else [place] if place else []

    def answer(self, *path: str) -> Mapping[str, Any] | None:
        return next(iter(self.answers(*path)), None)

    @property
    def is_renewable(self) -> bool:
        return bool(self.answers("token", "renewed") or self.answers("self_renewal"))


@cache
def read_recording(key: str) -> Recording:
    """Read once per process: tests only look at it."""
    row = next(row for row in from_template.shipped_templates() if row["key"] == key)
    text = (PROVIDERS / "answers" / f"{key}.yaml").read_text(encoding="utf-8")
    definition = parse_definition(from_template.definition_of(row))
    return Recording(key=key, definition=definition, document=yaml.load(text, Loader=yaml.CSafeLoader))


def played(answer: Mapping[str, Any]) -> Answer:
    """A recorded answer as the server gives it, with moments as of now and without id tokens, which are not signed."""
    body = {name: filled(answer[name]) for name in ("json", "form", "text") if name in answer}
    if isinstance(body.get("json"), dict):
        body["json"].pop("id_token", None)
    headers = {name: str(filled(value)) for name, value in (answer.get("headers") or {}).items()}
    return Answer(status=answer.get("status", 200), headers=headers, **body)


def filled(value: Any) -> Any:
    if isinstance(value, str):
        return MOMENT.sub(lambda match: str(int(time.time()) + int(match[1] or 0)), value)
    if isinstance(value, Mapping):
        return {name: filled(item) for name, item in value.items()}
    return [filled(item) for item in value] if isinstance(value, list) else value


def set_up(recording: Recording, server: HostileServer) -> Alias:
    """An integration from the template, with all addresses at this server."""
    definition = recording.definition
    questions = {
        question.name: question.default or definitions.SAMPLES[question.kind] for question in definition.questions
    }
    fields = definition.registry_fields(questions)
    fields |= {name: with_origin(fields[name], server.url) for name in URLS if fields.get(name)}
    fields["provider_profile"] = moved(fields.get("provider_profile", {}), server.url)
    fields |= {"issuer": "", "base_url_hosts": "", "base_url_path": ""}
    scopes = [offered.scope for offered in definition.scopes if offered.chosen or offered.required]
    registry = ApplicationRegistry.objects.create(
        name=recording.key, client_id="keyrack", client_secret=CLIENT_SECRET, **fields
    )
    connection_url = with_origin(definition.base(questions), server.url)
    return cast.integration_at(
        registry, scopes=[scope for scope in scopes if scope != "openid"], connection_url=connection_url
    )


def moved(profile: Any, url: str) -> Any:
    """The profile with the addresses that are asked at this server."""
    if isinstance(profile, Mapping):
        return {
            name: with_origin(item, url) if name == "url" and isinstance(item, str) else moved(item, url)
            for name, item in profile.items()
        }
    return [moved(item, url) for item in profile] if isinstance(profile, list) else profile


def play_sign_in(recording: Recording, server: HostileServer, alias: Alias) -> None:
    """Let the server answer everything that a sign-in asks."""
    registry = registry_of(alias)
    play(server, token_routes(registry), recording.answer("token", "code"))
    if registry.userinfo_url and (userinfo := recording.answer("userinfo")):
        method = registry.userinfo_request.get("method", "GET")
        play(server, [f"{method} {urlsplit(registry.userinfo_url).path}"], userinfo)
    for lookup in registry.profile.lookups:
        if answer := recording.answer("lookups", lookup.name):
            play(server, [f"{lookup.method} {urlsplit(lookup.url).path}"], answer)
    if registry.profile.exchange and (answer := recording.answer("exchange")):
        exchange = registry.profile.exchange
        play(server, [f"{exchange.method} {urlsplit(exchange.url or registry.token_url).path}"], answer)


def as_signed(registry: ApplicationRegistry, parameters: Mapping[str, str], state: str) -> dict[str, str]:
    """The parameters of a callback as the provider sends them: signed, if it signs its callbacks."""
    signature = registry.profile.callback.signature
    if signature is None:
        return {**parameters}
    covered = {"code": "c", **parameters, "state": state}
    covered = {n: v for n, v in covered.items() if n not in {signature.parameter, *signature.without}}
    digest = hmac.new(CLIENT_SECRET.encode(), urlencode(sorted(covered.items())).encode(), "sha256").hexdigest()
    return {**parameters, "code": covered["code"], signature.parameter: digest}


def play(server: HostileServer, routes: list[str], answer: Mapping[str, Any] | None) -> None:
    assert answer is not None
    for route in routes:
        server.on(route).always(played(answer))


def token_routes(registry: ApplicationRegistry) -> list[str]:
    """Where tokens are asked for, at a sign-in and at a renewal."""
    method = registry.profile.token_request.method
    urls = filter(None, (registry.token_url, registry.refresh_url))
    routes = [f"{method} {urlsplit(url).path}" for url in urls]
    if renewal := registry.profile.self_renewal:
        routes.append(f"{renewal.method} {urlsplit(renewal.url or registry.token_url).path}")
    return routes


def registry_of(alias: Alias) -> ApplicationRegistry:
    return connection_of(alias).credential.registry  # type: ignore[union-attr]


def connection_of(alias: Alias) -> HttpConnection:
    return HttpConnection.objects.select_related("credential__profile__registry").get(alias=alias)


def each(*path: str) -> Iterator[tuple[str, int]]:
    """Key and index of each recorded answer of one kind."""
    for key in KEYS:
        for index, _answer in enumerate(read_recording(key).answers(*path)):
            yield key, index
