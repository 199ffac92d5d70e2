"""Errors of the OAuth server: a sentence beside each code, and the headers of JSON. Knows no requests."""

import json
from http import HTTPStatus
from urllib.parse import parse_qs, quote_plus, urlsplit

from django.views.decorators.debug import sensitive_variables

BASIC_CHALLENGE = 'Basic realm="keyrack"'
JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
# Sentences for errors that oauthlib and the toolkit send without one (RFC 6749 §5.2, RFC 8628 §3.5). ASCII only.
DESCRIPTIONS = {
    "access_denied": "The person has refused.",
    "authorization_pending": "The person has not answered yet. Ask again after the interval.",
    "consent_required": "The person has to agree first. Ask again without prompt=none.",
    "expired_token": "The device code has expired. Begin again.",
    "invalid_client": "There is no such client, it may not be used here, or its secret is wrong or missing.",
    "invalid_grant": "The code or refresh token is unknown, used, expired or revoked, or belongs to another client.",
    "invalid_scope": "There is no such scope, or this client may not ask for it.",
    "login_required": "The person has to sign in first. Ask again without prompt=none.",
    "slow_down": "The program asks too often. From now on, wait 5 seconds longer.",
    "unauthorized_client": "An administrator has registered this client for another grant type.",
    "unsupported_grant_type": "This server doesn't know the grant type.",
    "unsupported_response_type": "This server knows the response type code only.",
}


@sensitive_variables()
def describe_error(body: str | None) -> str | None:
    """Add a sentence to the JSON of an error that has none. Other bodies stay as they are."""
    members = json.loads(body) if body else {}
    if members.get("error") not in DESCRIPTIONS or members.get("error_description"):
        return body
    return json.dumps({**members, "error_description": DESCRIPTIONS[members["error"]]})


def describe_redirect(address: str) -> str:
    """Add the same to the redirect URI that tells a client of an error."""
    parameters = parse_qs(urlsplit(address).query)
    sentence = DESCRIPTIONS.get(parameters.get("error", [""])[0], "")
    if not sentence or "error_description" in parameters:
        return address
    return f"{address}&error_description={quote_plus(sentence)}"


def json_headers(headers: dict[str, str], status: int) -> dict[str, str]:
    """Headers of a JSON response. A 401 challenges for Basic, not for oauthlib's Bearer (RFC 6749 §5.2)."""
    challenge = {"WWW-Authenticate": BASIC_CHALLENGE} if status == HTTPStatus.UNAUTHORIZED else {}
    return {**headers, **JSON_HEADERS, **challenge}
