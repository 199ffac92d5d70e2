"""Requests that only some providers need: a longer-lived token, renewal of a token with itself, values after a sign-in.

Each is described by a provider profile. Stateless; knows no users and no database.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from foundation.oauth_client import answers, dialects, error_answers, json_pointers, response_bodies, transport
from foundation.oauth_client.answers import MAX_KEPT, TokenAnswer
from foundation.oauth_client.errors import OAuthError, Unusable
from foundation.oauth_client.provider_profile import Reply, texts
from foundation.oauth_client.provider_profile.format import Exchange, Lookup, ProviderProfile, SelfRenewal
from foundation.oauth_client.provider_profile.rules import is_met
from foundation.oauth_client.registration import Registration, fill_values
from foundation.oauth_client.signatures import proof_parameters

logger = logging.getLogger(__name__)

MOST_CHOICES = 200


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One row of a lookup, such as a site or a tenant. `label`: what a person knows it by. `also`: further values."""

    value: str
    label: str
    also: Mapping[str, str] = field(default_factory=dict)


def exchange_for_longer(registration: Registration, answer: TokenAnswer) -> TokenAnswer:
    """The answer with an access token that lives longer, if the provider hands one out for the first (Facebook).

    A failure leaves the first token, which works until it expires.
    """
    exchange = registration.profile.exchange
    if exchange is None:
        return answer
    try:
        longer = _ask_for_token(registration, exchange, answer.access_token)
    except OAuthError as error:
        logger.warning("The access token was not exchanged for a longer-lived one: %s", error)
        return answer
    return replace(
        answer,
        access_token=longer.access_token,
        expires_in=longer.expires_in,
        refresh_token=longer.refresh_token or answer.refresh_token,
    )


def renew_with_itself(registration: Registration, access_token: str) -> TokenAnswer:
    """Renew an access token with itself, at a provider that has no refresh tokens (Instagram, Threads)."""
    renewal = registration.profile.self_renewal
    if renewal is None:
        raise Unusable("no_renewal", "this provider renews no access tokens")
    return _ask_for_token(registration, renewal, access_token)


def _ask_for_token(registration: Registration, request: Exchange | SelfRenewal, access_token: str) -> TokenAnswer:
    values = {
        "access_token": access_token,
        "client_id": registration.client_id,
        "client_secret": registration.client_secret,
    }
    fields = {name: fill_values(text, values) for name, text in request.parameters.items()}
    place: dict[str, Any] = {"params": fields} if request.method == "GET" else {"data": fields}
    url = request.url or registration.token_url
    response = transport.request(request.method, url, headers={"Accept": "application/json"}, **place)
    is_renewal = isinstance(request, SelfRenewal)
    return answers.parse_token_answer(
        response,
        grant_type="refresh_token" if is_renewal else "",
        request="refresh" if is_renewal else "exchange",
        token_path=registration.token_path,
        profile=registration.profile,
    )


def look_up(
    registration: Registration, lookup: Lookup, access_token: str, *, values: Mapping[str, str] | None = None
) -> list[Choice]:
    """The choices that a lookup finds, in the provider's order. Raises an `OAuthError`."""
    token_headers = dialects.build_headers(
        {**registration.call_headers, **lookup.headers},
        client_id=registration.client_id,
        access_token=access_token,
        value_names=registration.profile.kept_values(),
        values=values or {},
    )
    headers: dict[str, str | bytes] = {"Accept": "application/json", **token_headers}
    url = fill_values(lookup.url, values or {}, quoted=True)
    proof = proof_parameters(registration.profile.calls, access_token, registration.client_secret)
    response = transport.request(lookup.method, url, headers=headers, params=proof)
    if not error_answers.succeeded(response):
        raise error_answers.error_from(response, request="call", profile=registration.profile)
    document = response_bodies.json_body(response)
    rows = json_pointers.resolve(document, lookup.rows) if lookup.rows else document
    all_rows = rows if isinstance(rows, list) else [rows]
    matching = [
        row for row in all_rows if all(is_met(condition, Reply(document=row), {}) for condition in lookup.where)
    ]
    return [choice for row in matching[:MOST_CHOICES] if (choice := _choice(registration.profile, lookup, row))]


def _choice(profile: ProviderProfile, lookup: Lookup, row: object) -> Choice | None:
    """The choice of a row; None if the row has no value, or one that the profile's map doesn't have."""
    value = profile.mapped(lookup.name, _text_at(row, (lookup.value,)))
    if not value:
        return None
    also = {name: profile.mapped(name, _text_at(row, (pointer,))) for name, pointer in lookup.also.items()}
    return Choice(value=value, label=_text_at(row, texts(lookup.label)) or value, also=also)


def _text_at(row: object, pointers: tuple[str, ...]) -> str:
    for pointer in pointers:
        value = json_pointers.resolve(row, pointer) if pointer else row
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            text = str(value)
            return text if text.isprintable() and len(text) <= MAX_KEPT else ""
    return ""
