"""The ordinary case of the calls that programs make again and again: a token of ours, and what it asks for is there.

One fixed statement and no framework in between. Whatever else is the matter is None here, and the view answers: it is
the one that knows every refusal. So this must never answer what the view would not.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.views import APIView

from accounts import bearers
from accounts.bearers import Bearer
from integrations import tokens
from integrations.personal_auth import exported

LONGEST = 86_400.0  # seconds for which a token may be asked
PLAIN = {  # what the middleware would add
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What the throttles of the API look at."""

    user: Any
    auth: Any
    META: dict[str, Any]
    _request: HttpRequest


def token(request: HttpRequest, view: APIView, alias: str) -> HttpResponse | None:
    seconds = minimum_seconds(request)
    checksum = bearers.checksum_of(request) if request.method == "GET" else None
    found = tokens.handed_out_to(checksum, alias, minimum_seconds=seconds) if checksum and seconds is not None else None
    if found is None:
        return None
    bearer, handed_out = found
    if not {"tokens:read", f"service:{handed_out.alias}"} <= bearer.auth.scopes or not may_go_on(request, view, bearer):
        return None
    tokens.note_use(handed_out, program_of(bearer.auth))
    told = exported(handed_out.token)
    return answer(
        {
            "access_token": told.access_token,
            "token_type": told.token_type,
            "expires_in": told.expires_in,
            "scope": " ".join(told.scopes),
        }
    )


def token_valid(request: HttpRequest, view: APIView, alias: str) -> HttpResponse | None:
    checksum = bearers.checksum_of(request) if request.method == "GET" else None
    bearer = tokens.ready_for(checksum, alias) if checksum else None
    if bearer is None or "integrations:read" not in bearer.auth.scopes or not may_go_on(request, view, bearer):
        return None
    return answer({"token_valid": True})


def program_of(auth: Any) -> str:
    """What a token was last used by, in words for its owner."""
    return f"REST ({auth.name or auth.client_id})" if auth else "REST"


def minimum_seconds(request: HttpRequest) -> float | None:
    """None: not a number that can be meant."""
    if not request.META.get("QUERY_STRING"):
        return 0
    try:
        seconds = float(request.GET.get("minimum_seconds", 0))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST else None


def may_go_on(request: HttpRequest, view: APIView, bearer: Bearer) -> bool:
    """Counted as every call of the API. Asked last: what the view's own way answers is counted there."""
    counted: Any = Counted(bearer.user, bearer.auth, request.META, request)
    return all(throttle.allow_request(counted, view) for throttle in view.get_throttles())


def answer(told: dict[str, Any]) -> HttpResponse:
    content = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()  # as the framework writes it
    return HttpResponse(
        content, content_type="application/json", headers={**PLAIN, "Content-Length": str(len(content))}
    )
