"""Refusals in the OpenAPI description of the API: one per status, with the sentences that the API answers with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.api.authentication import NOT_ALIVE
from integrations.api.errors import (
    ADDRESS_CHANGED,
    MISCONFIGURED,
    NOT_CONNECTED,
    NOT_THERE,
    REFUSED_AGAIN,
    SEND_AS,
    TOO_LARGE,
    UNREACHABLE,
    UNUSABLE,
)
from integrations.models import failures

TEXT = {"type": "string"}


def object_schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


ERRORS: dict[str, Any] = {
    "Error": object_schema(
        error={**TEXT, "description": "A code for programs."},
        error_description={**TEXT, "description": "A sentence for people. It may change."},
    ),
    "NotSignedInError": object_schema(
        error={**TEXT, "enum": ["integration_not_authenticated"]},
        error_description=TEXT,
        initiator_url={**TEXT, "description": "Path of this site where the person authenticates."},
    ),
}
ERRORS["AddressChangedError"] = object_schema(
    error={**TEXT, "enum": ["address_changed"]},
    error_description=TEXT,
    initiator_url={**TEXT, "description": "Path of this site where the person can sign in again."},
)
ERRORS["TokenRefusedError"] = object_schema(
    error={**TEXT, "enum": ["token_refused"]},
    error_description=TEXT,
    initiator_url={**TEXT, "description": "Path of this site where the person can sign in again."},
)
HEADERS: dict[str, Any] = {
    "Challenge": {"description": "`Bearer`, with the error (RFC 6750 §3).", "schema": TEXT},
    "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Link": {
        "description": "Other pages, if there are any: `first`, `prev`, `next` and `last` (RFC 8288).",
        "schema": TEXT,
    },
}


def reference_to(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One refusal. `examples` are its codes, each with a sentence."""

    name: str
    when: str
    examples: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]] = ()
    schemas: Sequence[str] = ("Error",)

    def as_response(self) -> dict[str, Any]:
        references = [reference_to("schemas", name) for name in self.schemas]
        content = {
            "schema": references[0] if len(references) == 1 else {"anyOf": references},
            "examples": {code: {"value": example_body(code, words)} for code, words in self.examples},
        }
        response = {"description": self.when, "content": {"application/json": content}}
        headers = {name: reference_to("headers", header) for name, header in self.headers}
        return {**response, "headers": headers} if headers else response


def example_body(code: str, sentence: str) -> dict[str, str]:
    body = {"error": code, "error_description": sentence}
    if code not in failures.WITH_INITIATOR_URL:
        return body
    return {**body, "initiator_url": "/oauth_initiator.do?oauth_requestor_context=oauth_2_0_credentials&…"}


PASSED_ON = "PassedOn"
PASSED_ON_HEADERS: dict[str, Any] = {
    name: {"description": description, "schema": TEXT}
    for name, description in (
        ("Keyrack-Location", "The third party's `Location`."),
        ("Keyrack-Challenge", "The third party's `WWW-Authenticate` about the token (RFC 6750 §3)."),
        (
            "Keyrack-Reason",
            "What the response means: `token_refused`, `insufficient_scope`, `person_must_act`, `rate_limited`, "
            "`registration_wrong`, `plan_ended`, `temporary` or `not_found`. Absent if it means nothing special.",
        ),
        ("Keyrack-Missing-Scopes", "With `insufficient_scope`: the missing scopes, if the third party names them."),
        ("Keyrack-Unknown-Scopes", "Those of them that an administrator has to add to the set-up first."),
        ("Keyrack-Initiator-Url", "Path of this site where the person can grant what is missing."),
    )
}
CHALLENGED = (("WWW-Authenticate", "Challenge"),)
MAY_WAIT = (("Retry-After", "RetryAfter"),)
NO_TOKEN = ("not_authenticated", "Authentication credentials were not provided.")
DEAD_TOKEN = ("invalid_token", NOT_ALIVE)
NOT_SIGNED_IN = ("integration_not_authenticated", NOT_CONNECTED)
NO_ANSWER = ("provider_unreachable", UNREACHABLE)
REFUSALS: dict[str, Refusal] = {
    "400": Refusal(
        name="Invalid",
        when="The request is invalid.",
        examples=[("invalid_request", "page: A valid integer is required.")],
    ),
    "401": Refusal(
        name="NotAuthenticated",
        when="No session and no valid token.",
        examples=[NO_TOKEN, DEAD_TOKEN],
        headers=CHALLENGED,
    ),
    "401 there": Refusal(
        name="NotSignedIn",
        when="No session and no valid token; or the person has no usable token for the third party.",
        examples=[NO_TOKEN, DEAD_TOKEN, NOT_SIGNED_IN],
        headers=CHALLENGED,
        schemas=("NotSignedInError", "Error"),
    ),
    "403": Refusal(
        name="Forbidden",
        when="The token lacks a scope; the person may not do this; or a session came without its CSRF token.",
        examples=[
            ("insufficient_scope", "The access token lacks: integrations:read."),
            ("permission_denied", "You may not use integrations here."),
        ],
        headers=CHALLENGED,
    ),
    "404": Refusal(
        name="NotFound",
        when="It doesn't exist, isn't this person's, or isn't active. The answer doesn't say which.",
        examples=[("not_found", NOT_THERE)],
    ),
    "405": Refusal(
        name="MethodNotAllowed",
        when="This address doesn't support the method.",
        examples=[("method_not_allowed", 'Method "PUT" not allowed.')],
    ),
    "406": Refusal(
        name="NotAcceptable",
        when="The Accept header doesn't allow JSON.",
        examples=[("not_acceptable", "Could not satisfy the request Accept header.")],
    ),
    "409": Refusal(
        name="AddressChanged",
        when="The integration was moved to another address, which the person hasn't confirmed yet.",
        examples=[("address_changed", ADDRESS_CHANGED)],
        schemas=("AddressChangedError",),
    ),
    "409 refused": Refusal(
        name="TokenRefused",
        when="Renewing the token doesn't help; or the integration was moved to another address.",
        examples=[("token_refused", REFUSED_AGAIN), ("address_changed", ADDRESS_CHANGED)],
        headers=MAY_WAIT,
        schemas=("TokenRefusedError", "AddressChangedError"),
    ),
    "409 conflict": Refusal(
        name="Conflict",
        when="The row exists, is needed by others, or was changed meanwhile; or a consequence needs confirmation.",
        examples=[
            ("conflict", "“northwind” exists already."),
            ("confirmation_required", "This ends 3 sign-ins and revokes their tokens."),
        ],
    ),
    "412": Refusal(
        name="PreconditionFailed",
        when="`If-Match` or `If-None-Match` doesn't fit the stored row.",
        examples=[("precondition_failed", "The row has changed since you read it.")],
    ),
    "413": Refusal(
        name="RequestTooLarge",
        when="The body is larger than this site accepts.",
        examples=[("request_too_large", TOO_LARGE % {"limit": 2_621_440})],
    ),
    "415": Refusal(
        name="UnsupportedMediaType",
        when="The body is not JSON.",
        examples=[("unsupported_media_type", SEND_AS % {"type": "application/json"})],
    ),
    "429": Refusal(
        name="TooManyRequests",
        when="Too many calls, in a minute or at once.",
        examples=[("too_many_requests", "Request was throttled. Expected available in 12 seconds.")],
        headers=MAY_WAIT,
    ),
    "500": Refusal(
        name="OurFault",
        when="An error in Keyrack.",
        examples=[("server_error", "Something went wrong on our side. The error has been logged.")],
    ),
    "502": Refusal(
        name="ProviderFailed",
        when="The third party doesn't answer, or its answer can't be used.",
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
