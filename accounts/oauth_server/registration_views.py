"""Dynamic client registration (RFC 7591), where the operator allows it. Without management of clients (RFC 7592).

The toolkit reads the metadata. It would give out a registration token that never expires, and register programs for
passwords and without people.
"""

import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views.dynamic_client_registration import _build_application_kwargs, _parse_metadata

from accounts.oauth_server.models import Application
from accounts.oauth_server.request_rules import DEVICE_CODE
from accounts.oauth_server.self_registration import MOST_REDIRECT_URIS, clean_name, imitates_another
from accounts.sign_in import lockout
from accounts.sign_in.lockout import Limit
from accounts.sign_in.middleware import client_address, counted_address

REGISTERED = 20  # from one address
WINDOW = timedelta(hours=1)
MAX_BYTES = 64 << 10
METADATA, REDIRECT_URI = "invalid_client_metadata", "invalid_redirect_uri"  # error codes (RFC 7591 §3.2.2)
IMITATES = "client_name is that of another program."


@csrf_exempt
@require_http_methods(["GET", "POST"])
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    """Client registration endpoint (RFC 7591 §3). GET says whether it is there."""
    if not oauth2_settings.DCR_ENABLED:
        raise Http404
    if request.method == "GET":
        return HttpResponseNotAllowed(["POST"])
    if request.content_type != "application/json" or int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
        return error_response(METADATA, f"Send at most {MAX_BYTES} bytes of application/json.")
    limit = Limit(counter=f"registrations from {counted_address(request)}", times=REGISTERED, duration=WINDOW)
    if not lockout.count_use(limit):
        response = error_response("slow_down", "Too many registrations from this address.", status=429)
        response.headers["Retry-After"] = str(int(WINDOW.total_seconds()))
        return response
    if not is_storable_json(request.body):
        return error_response(METADATA, "The body must be valid JSON.")
    metadata, refusal = _parse_metadata(request.body)
    if refusal is None:
        fields, refusal = _build_application_kwargs(with_one_grant_type(metadata))
    if refusal is not None:
        return refusal  # type: ignore[no-any-return]  # the toolkit's response
    return store_application(request, metadata, fields)


def is_storable_json(body: bytes) -> bool:
    """Whether it is JSON that can be stored: neither nested too deeply, nor with half characters or null characters."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return "\\u0000" not in text


def with_one_grant_type(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata with a grant type that Keyrack offers. The server may replace what it is sent (RFC 7591 §3.2.1)."""
    offered = metadata.get("grant_types", ["authorization_code"])
    if not isinstance(offered, list):
        return metadata
    chosen = [name for name in ("authorization_code", DEVICE_CODE) if name in offered][:1]
    return {**metadata, "grant_types": chosen}


def store_application(request: HttpRequest, metadata: dict[str, Any], fields: dict[str, Any]) -> HttpResponse:
    if not isinstance(fields["name"], str):
        return error_response(METADATA, "client_name must be a string.")
    fields["name"] = clean_name(fields["name"])
    if imitates_another(fields["name"]):
        return error_response(METADATA, IMITATES)
    if len(fields["redirect_uris"].split()) > MOST_REDIRECT_URIS:
        return error_response(REDIRECT_URI, f"At most {MOST_REDIRECT_URIS} redirect_uris.")
    application = Application(
        registration_source=Application.RegistrationSource.DCR, registered_from=client_address(request), **fields
    )
    secret = application.client_secret  # the row gets its hash
    try:
        application.full_clean()
    except ValidationError as error:
        is_address = "redirect_uris" in error.message_dict
        return error_response(REDIRECT_URI if is_address else METADATA, " ".join(error.messages))
    application.save()
    return JsonResponse(registration_response(application, metadata, secret), status=HTTPStatus.CREATED)


def registration_response(application: Application, metadata: dict[str, Any], secret: str) -> dict[str, Any]:
    """The registration as it was stored (RFC 7591 §3.2.1)."""
    is_device = application.authorization_grant_type == Application.GRANT_DEVICE_CODE
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    credentials = {} if method == "none" else {"client_secret": secret, "client_secret_expires_at": 0}
    return {
        "client_id": application.client_id,
        "client_id_issued_at": int(application.created.timestamp()),
        **credentials,
        "client_name": application.name,
        "redirect_uris": application.redirect_uris.split(),
        "grant_types": [DEVICE_CODE if is_device else "authorization_code", "refresh_token"],
        "response_types": [] if is_device else ["code"],
        "token_endpoint_auth_method": method,
        "scope": application.allowed_scopes,
    }


def error_response(error: str, description: str, *, status: int = HTTPStatus.BAD_REQUEST) -> HttpResponse:
    return JsonResponse({"error": error, "error_description": description}, status=status)
