"""How many providers of a public catalogue can be described with a template and its provider profile.

    python3 -m benchmarks census

`data/catalogue_needs.json` says what 55 of 344 templates need beyond addresses, credentials and flags; the others need
nothing more. The table below says which fields of the format meet each need. Each path is resolved against the classes
of the format, and each example is read as a profile and must fill those fields, so that a removed field fails here.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from foundation.oauth_client.provider_profile import ProviderProfile, parse_profile
from foundation.oauth_client.registration import Registration

FACTS = Path(__file__).parent / "data" / "catalogue_needs.json"
REGISTRATION = "registration."  # paths of the template's own fields, beside the profile


class UnknownPath(ValueError):
    """A path of the table leads to no field of the format."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Fields that meet one need, and a profile that uses them."""

    paths: tuple[str, ...]
    example: Mapping[str, Any] = field(default_factory=dict)


ANSWERS: Mapping[str, Answer] = {
    "authorization URL with a fragment": Answer(paths=("registration.authorization_url",), example={}),
    "token request as JSON": Answer(paths=("token_request.body",), example={"token_request": {"body": "json"}}),
    "code under another name in the callback": Answer(
        paths=("callback.code",), example={"callback": {"code": ["spapi_oauth_code", "code"]}}
    ),
    "parameters that replace ours in the authorization request": Answer(
        paths=("authorization.parameters",),
        example={"authorization": {"parameters": {"response_type": "code id_token", "redirectUri": "{redirect_uri}"}}},
    ),
    "other parameter names in the authorization request": Answer(
        paths=("authorization.names",),
        example={"authorization": {"names": {"client_id": "client_key", "response_type": None}}},
    ),
    "parameters for one grant only": Answer(
        paths=("token_request.code_parameters", "token_request.refresh_parameters"),
        example={
            "token_request": {"code_parameters": {"type": "web_server"}, "refresh_parameters": {"type": "refresh"}}
        },
    ),
    "client_id, redirect_uri or scope again in a token request": Answer(
        paths=("token_request.client_id_beside_basic", "token_request.refresh_parameters"),
        example={
            "token_request": {
                "client_id_beside_basic": True,
                "refresh_parameters": {"scope": "{scope}", "redirect_uri": "{redirect_uri}"},
            }
        },
    ),
    "value of the callback in later calls": Answer(
        paths=("callback.keep.pattern",), example={"callback": {"keep": {"realmId": {"pattern": "[0-9]{1,20}"}}}}
    ),
    "value of the token answer in later calls": Answer(
        paths=("token_answer.keep",), example={"token_answer": {"keep": {"host": "/host"}}}
    ),
    "value that a request after the sign-in reads": Answer(
        paths=("lookups.url", "lookups.rows", "lookups.value"),
        example={
            "lookups": [{"name": "site", "url": "https://api.example.com/sites", "rows": "/sites", "value": "/id"}]
        },
    ),
    "query parameters with each call": Answer(
        paths=("calls.parameters",), example={"calls": {"parameters": {"api-version": "2024-10-01"}}}
    ),
    # A space is the default separator, and a query is form-encoded: scope=read+write.
    "scopes joined by +": Answer(paths=(REGISTRATION + "scope_separator",)),
}
# Needs that no field meets, and why.
UNMET = {
    "client secret in headers of calls": "headers of calls hold the client id and the token, never the secret",
    "sign-in that begins at the provider": "nobody here has asked for it, so that there is no state to compare",
    "code by webhook": "a code arrives in the person's own browser, never from a server",
}


def read_facts() -> tuple[int, Mapping[str, list[str]]]:
    """The number of templates in the catalogue, and the needs of those that have any."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return int(facts["templates"]), facts["needs"]


def resolve_path(path: str) -> None:
    """Walk from the profile's class down the path. Raises `UnknownPath`."""
    if path.startswith(REGISTRATION):
        if path.removeprefix(REGISTRATION) not in {each.name for each in fields(Registration)}:
            raise UnknownPath(path)
        return
    kind: Any = ProviderProfile
    for name in path.split("."):
        if kind is None or name not in kind.__struct_fields__:
            raise UnknownPath(path)
        kind = struct_in(get_type_hints(kind)[name])


def struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The class of parts inside a type, such as that of `tuple[Lookup, ...]`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next((part for inner in get_args(hint) if (part := struct_in(inner))), None)


def values_at(part: Any, names: list[str]) -> Iterator[object]:
    """Values of a profile at a path, through lists and mappings."""
    if isinstance(part, tuple | Mapping):
        for each in part.values() if isinstance(part, Mapping) else part:
            yield from values_at(each, names) if names else [each]
    elif names:
        yield from values_at(getattr(part, names[0]), names[1:])
    elif part:
        yield part


def is_filled(profile: ProviderProfile, path: str) -> bool:
    standard = parse_profile({})
    values = list(values_at(profile, path.split(".")))
    return values != [] and values != list(values_at(standard, path.split(".")))


def check_answers() -> None:
    """Raise if a path leads nowhere, or an example is refused or leaves the fields of its paths as they were."""
    for need, answer in ANSWERS.items():
        profile = parse_profile(answer.example)
        for path in answer.paths:
            resolve_path(path)
            if not path.startswith(REGISTRATION) and not is_filled(profile, path):
                raise ValueError(f"{need}: the example does not use {path}")


def count_described() -> tuple[int, int]:
    """How many templates of the catalogue can be described, and how many there are."""
    templates, needs = read_facts()
    unknown = {need for each in needs.values() for need in each} - ANSWERS.keys() - UNMET.keys()
    if unknown:
        raise ValueError(f"Needs without an answer: {', '.join(sorted(unknown))}")
    impossible = [provider for provider, each in needs.items() if not set(each) <= ANSWERS.keys()]
    return templates - len(impossible), templates


def main(_arguments: list[str]) -> None:
    check_answers()
    described, templates = count_described()
    _templates, needs = read_facts()
    count = Counter(need for each in needs.values() for need in each)
    for need, providers in count.most_common():
        answer = ", ".join(ANSWERS[need].paths) if need in ANSWERS else f"not met: {UNMET[need]}"
        print(f"{providers:3}  {need}: {answer}")
    print(f"\n{described} of {templates} templates can be described; {templates - len(needs)} of them need no profile.")
