"""The API: notes, contacts, whoami. Each user sees only their own rows.

Accepts only bearer tokens in the Authorization header, no browser sessions.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.models import AccessToken

from demo.provider import callers
from demo.provider.models import Contact, Note

View = Callable[[HttpRequest, AccessToken], HttpResponse]


def bearer(**scopes: str) -> Callable[[View], Callable[[HttpRequest], HttpResponse]]:
    """Open a view to bearer tokens: `GET="notes:read"` names the scope per method, "" asks for none (RFC 6750)."""

    def guard(view: View) -> Callable[[HttpRequest], HttpResponse]:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            if request.method not in scopes:
                return HttpResponseNotAllowed(list(scopes))
            return _refusal(request, scopes[request.method]) or view(request, callers.access_token_of(request))

        return answer

    return guard


@bearer(GET="")
def whoami(request: HttpRequest, token: AccessToken) -> HttpResponse:
    """Say whom the token stands for."""
    user = token.user
    return JsonResponse(
        {
            "sub": str(user.pk),
            "username": user.get_username(),
            "name": user.get_full_name(),
            "email": user.email,
            "client_id": token.application.client_id,
            "scopes": token.scope.split(),
        }
    )


@bearer(GET="notes:read", POST="notes:write")
def notes(request: HttpRequest, token: AccessToken) -> HttpResponse:
    """List the person's notes, or add one from a JSON object with title and text."""
    if request.method == "GET":
        return _listing(request, [_note(note) for note in Note.objects.filter(user=token.user)])
    try:
        return JsonResponse(_note(_new_note(request, token)), status=201)
    except ValueError:
        return _error("invalid_request", 400, "Send a JSON object with title and text.")
    except ValidationError as error:
        faults = (f"{name}: {texts[0]}" for name, texts in error.message_dict.items())
        return _error("invalid_request", 400, "; ".join(faults))


@bearer(GET="contacts:read")
def contacts(request: HttpRequest, token: AccessToken) -> HttpResponse:
    """List the person's contacts; `?q=` looks for a part of the name, the company or the city."""
    fields = ("name", "email", "phone", "company", "city")
    rows = list(Contact.objects.filter(user=token.user).values("id", *fields))
    word = request.GET.get("q", "").casefold()
    return _listing(request, [row for row in rows if word in " ".join(map(str, row.values())).casefold()])


def _refusal(request: HttpRequest, scope: str) -> HttpResponse | None:
    token = callers.access_token_of(request)
    if token is None:
        # Without any token there is no error to name (RFC 6750, 3.1).
        named = ', error="invalid_token"' if callers.bearer_of(request) else ""
        return _challenge("invalid_token", 401, named)
    if scope and scope not in token.scope.split():
        return _challenge("insufficient_scope", 403, f', error="insufficient_scope", scope="{scope}"')
    return None


def _challenge(code: str, status: int, named: str) -> HttpResponse:
    response = _error(code, status)
    response.headers["WWW-Authenticate"] = f'Bearer realm="Northwind"{named}'
    return response


def _new_note(request: HttpRequest, token: AccessToken) -> Note:
    sent = json.loads(request.body)
    title, text = (sent.get("title", ""), sent.get("text", "")) if isinstance(sent, dict) else (None, None)
    if not isinstance(title, str) or not isinstance(text, str):
        raise ValueError("not an object of texts")
    note = Note(user=token.user, title=title, text=text)
    note.full_clean()
    note.save()
    return note


def _note(note: Note) -> dict[str, Any]:
    return {"id": note.pk, "title": note.title, "text": note.text, "created_at": note.created_at.isoformat()}


def _listing(request: HttpRequest, rows: list[dict[str, Any]]) -> HttpResponse:
    """Answer with the rows, or with the first `?limit=` of them; `count` is that of all."""
    limit = request.GET.get("limit", str(len(rows)))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        return _error("invalid_request", 400, "limit is a number.")
    return JsonResponse({"count": len(rows), "results": rows[: int(limit)]})


def _error(code: str, status: int, description: str = "") -> HttpResponse:
    body = {"error": code} | ({"error_description": description} if description else {})
    return JsonResponse(body, status=status)
