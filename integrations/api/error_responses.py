"""Every refusal of the API as its description has it: status, when, the headers with it, and an example.

Only facts; the sentences are those that the API says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.api.authentication import NOT_ALIVE
from integrations.api.errors import (
    ADDRESS_CHANGED,
    MISCONFIGURED,
    NOT_CONNECTED,
    NOT_THERE,
    TOO_LARGE,
    UNREACHABLE,
    UNUSABLE,
)

TEXT = {"type": "string"}


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


ERRORS: dict[str, Any] = {
    "Error": an_object(
        error={**TEXT, "description": "A code for programs."},
        error_description={**TEXT, "description": "A sentence for people. It may change."},
    ),
    "NotSignedInError": an_object(
        error={**TEXT, "enum": ["integration_not_authenticated"]},
        error_description=TEXT,
        initiator_url={**TEXT, "description": "Where the person authenticates, as a path of this site."},
    ),
}
ERRORS["AddressChangedError"] = an_object(
    error={**TEXT, "enum": ["address_changed"]},
    error_description=TEXT,
    initiator_url={**TEXT, "description": "Where the person may sign in again, as a path of this site."},
)
HEADERS: dict[str, Any] = {
    "Challenge": {"description": "`Bearer`, with what is wrong (RFC 6750 §3).", "schema": TEXT},
    "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Link": {
        "description": "The other pages: `first`, `prev`, `next` and `last`, as far as there are any (RFC 8288).",
        "schema": TEXT,
    },
}


def reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """`examples`: code and sentence of each way to meet it."""

    name: str
    when: str
    examples: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]] = ()
    schemas: Sequence[str] = ("Error",)

    def described(self) -> dict[str, Any]:
        choice = [reference("schemas", name) for name in self.schemas]
        content = {
            "schema": choice[0] if len(choice) == 1 else {"anyOf": choice},
            "examples": {code: {"value": example(code, words)} for code, words in self.examples},
        }
        told = {"description": self.when, "content": {"application/json": content}}
        headers = {name: reference("headers", header) for name, header in self.headers}
        return {**told, "headers": headers} if headers else told


def example(code: str, words: str) -> dict[str, str]:
    told = {"error": code, "error_description": words}
    if code not in {"integration_not_authenticated", "address_changed"}:
        return told
    return {**told, "initiator_url": "/oauth_initiator.do?oauth_requestor_context=oauth_2_0_credentials&…"}


PASSED_ON = "PassedOn"


def passed_on() -> dict[str, Any]:
    """What stands for every status of a call that is passed on."""
    own = "401, 403, 404, 405, 409, 429, 502 and 504 may also be Keyrack's own, in the shape of all its refusals."
    return {"description": f"What the third party said, whatever it is. {own}", "content": {"*/*": {"schema": {}}}}


CHALLENGED = (("WWW-Authenticate", "Challenge"),)
MAY_WAIT = (("Retry-After", "RetryAfter"),)
NO_TOKEN = ("not_authenticated", "Authentication credentials were not provided.")
DEAD_TOKEN = ("invalid_token", NOT_ALIVE)
NOT_SIGNED_IN = ("integration_not_authenticated", NOT_CONNECTED)
NO_ANSWER = ("provider_unreachable", UNREACHABLE)

REFUSALS: dict[str, Refusal] = {
    "400": Refusal(
        name="Invalid",
        when="What was sent cannot be used.",
        examples=[("invalid_request", "page: A valid integer is required.")],
    ),
    "401": Refusal(
        name="NotAuthenticated",
        when="No session and no living token.",
        examples=[NO_TOKEN, DEAD_TOKEN],
        headers=CHALLENGED,
    ),
    "401 there": Refusal(
        name="NotSignedIn",
        when="No session and no living token; or the person has no usable token at the third party.",
        examples=[NO_TOKEN, DEAD_TOKEN, NOT_SIGNED_IN],
        headers=CHALLENGED,
        schemas=("NotSignedInError", "Error"),
    ),
    "403": Refusal(
        name="Forbidden",
        when="The token lacks a scope; the person may not; or a session came without its CSRF token.",
        examples=[
            ("insufficient_scope", "The access token lacks: integrations:read."),
            ("permission_denied", "You may not use integrations here."),
        ],
        headers=CHALLENGED,
    ),
    "404": Refusal(
        name="NotFound",
        when="Not there, not this person's, or not active: which of them, nobody is told.",
        examples=[("not_found", NOT_THERE)],
    ),
    "405": Refusal(
        name="MethodNotAllowed",
        when="No such method here.",
        examples=[("method_not_allowed", 'Method "PUT" not allowed.')],
    ),
    "406": Refusal(
        name="NotAcceptable",
        when="The Accept header asks for something else.",
        examples=[("not_acceptable", "Could not satisfy the request Accept header.")],
    ),
    "409": Refusal(
        name="AddressChanged",
        when="The integration was moved to another address, to which the person has not agreed yet.",
        examples=[("address_changed", ADDRESS_CHANGED)],
        schemas=("AddressChangedError",),
    ),
    "413": Refusal(
        name="RequestTooLarge",
        when="The body is larger than this site reads.",
        examples=[("request_too_large", TOO_LARGE % {"limit": 2_621_440})],
    ),
    "415": Refusal(
        name="UnsupportedMediaType",
        when="The body is not JSON.",
        examples=[("unsupported_media_type", 'Unsupported media type "text/plain" in request.')],
    ),
    "429": Refusal(
        name="TooManyRequests",
        when="Too many calls.",
        examples=[("too_many_requests", "Request was throttled. Expected available in 12 seconds.")],
        headers=MAY_WAIT,
    ),
    "500": Refusal(
        name="OurFault",
        when="The fault is Keyrack's.",
        examples=[("server_error", "The fault is ours. It has been noted.")],
    ),
    "502": Refusal(
        name="ProviderFailed",
        when="The third party does not answer, or not in a way that can be used.",
        examples=[
            NO_ANSWER,
            ("provider_unusable", UNUSABLE),
            ("integration_misconfigured", MISCONFIGURED),
        ],
        headers=MAY_WAIT,
    ),
    "504": Refusal(
        name="ProviderTooSlow",
        when="The third party took too long.",
        examples=[NO_ANSWER],
        headers=MAY_WAIT,
    ),
}
