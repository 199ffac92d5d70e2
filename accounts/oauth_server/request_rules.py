"""What RFC 6749 and its successors say of requests to an OAuth server, where oauthlib and the toolkit let more through.

`Core` sits between Django's request and oauthlib's, for every address of the server. `RequestRules` is the part of the
validator that judges requests by their form; what tokens and people allow is in `oauth_server`.
"""

import base64
import re
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

from django.http import HttpRequest, QueryDict
from oauth2_provider.models import get_grant_model
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import urlencode
from oauthlib.oauth2.rfc6749 import errors

from accounts.oauth_server import code_replay, resource_indicators

Grant = get_grant_model()
GRANT_TYPES = frozenset({"authorization_code", "password", "client_credentials", "refresh_token"})
# Others must be ignored (RFC 6749 §3.1); and in oauthlib's request they would stand where its own attributes are.
PARAMETERS = frozenset({
    "client_id", "client_secret", "code", "code_challenge", "code_challenge_method", "code_verifier", "grant_type",
    "password", "prompt", "redirect_uri", "refresh_token", "resource", "response_mode", "response_type", "scope",
    "state", "token", "token_type_hint", "username",
})  # fmt: skip
REPEATABLE = frozenset({"resource"})  # RFC 8707 §2
CODE_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # and code_verifier (RFC 7636 §4.1, §4.2)
BASIC_CHALLENGE = 'Basic realm="keyrack"'
JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
AnyRequest: TypeAlias = Any  # oauthlib's; oauthlib, the toolkit and we put attributes on it
Answer: TypeAlias = tuple[str | None, dict[str, str], str | None, int]  # address, headers, body, status


class InvalidTarget(errors.OAuth2Error):
    error = "invalid_target"
    description = "The resource is not one of this server."


def known_parameters(sent: QueryDict) -> QueryDict:
    """Those that mean something here and have a value: one without counts as omitted (RFC 6749 §3.1)."""
    known = QueryDict(mutable=True)
    for name, values in sent.lists():
        if name in PARAMETERS and any(values):
            known.setlist(name, [value for value in values if value])
    return known


def find_fault(asked: QueryDict) -> errors.OAuth2Error | None:
    """What is wrong with an authorization request, whoever sent it (RFC 6749 §4.1.2.1)."""
    if name := find_repeated(asked):
        return errors.InvalidRequestError(description=f"Repeated parameter: {name}.")
    if "response_type" not in asked:
        return errors.MissingResponseTypeError()
    if asked["response_type"] != "code":
        return errors.UnsupportedResponseTypeError()
    if asked.get("response_mode", "query") != "query":
        return errors.InvalidRequestError(description="Unsupported response_mode; use query.")
    prompts = asked.get("prompt", "").split()
    if "none" in prompts and len(prompts) > 1:
        return errors.InvalidRequestError(description="prompt=none stands alone.")
    if "create" in prompts:  # the toolkit would say so to the person's browser instead
        return errors.InvalidRequestError(description="Unsupported prompt: create.")
    if not all(map(resource_indicators.is_own, asked.getlist("resource"))):
        return InvalidTarget()
    return find_fault_of_challenge(asked.get("code_challenge"), asked.get("code_challenge_method"))


def find_fault_of_challenge(challenge: str | None, method: str | None) -> errors.OAuth2Error | None:
    if not challenge:
        return errors.MissingCodeChallengeError()
    if not CODE_CHALLENGE.fullmatch(challenge):
        return errors.InvalidRequestError(description="code_challenge must be 43 to 128 unreserved characters.")
    if method != "S256":
        return errors.UnsupportedCodeChallengeMethodError(description="Unsupported code_challenge_method; use S256.")
    return None


def find_repeated(sent: QueryDict) -> str:
    return next((name for name, values in sent.lists() if len(values) > 1 and name in PARAMETERS - REPEATABLE), "")


def check_client_request(request: HttpRequest) -> None:
    """Raises what is wrong with the form of a request that a client itself sends, wherever it goes (RFC 6749 §3.2)."""
    if request.META.get("QUERY_STRING"):
        raise errors.InvalidRequestError(description="Parameters belong in the body.")
    if name := find_repeated(request.POST):
        raise errors.InvalidRequestError(description=f"Repeated parameter: {name}.")
    scheme, _blank, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_basic = scheme.lower() == "basic"
    in_body = [request.POST.get(name) for name in ("client_secret", "client_assertion")]
    if sum(map(bool, [is_basic, *in_body])) > 1:
        raise errors.InvalidRequestError(description="The client authenticates in two ways.")
    if is_basic and (claimed := request.POST.get("client_id")) and claimed != client_id_in(encoded):
        raise errors.InvalidRequestError(description="The client has two client_id.")


def client_id_in(encoded: str) -> str:
    """Of the credentials of HTTP Basic authentication (RFC 6749 §2.3.1)."""
    try:
        return unquote_plus(base64.b64decode(encoded).decode().partition(":")[0])
    except ValueError:
        return ""


def check_token_request(request: HttpRequest) -> None:
    check_client_request(request)
    if not request.POST.get("grant_type"):
        raise errors.InvalidRequestError(description="Missing grant_type parameter.")
    if request.POST["grant_type"] not in GRANT_TYPES:
        raise errors.UnsupportedGrantTypeError()


def requested_resources(request: AnyRequest) -> list[str]:
    """All that were named; oauthlib keeps the last one. `InvalidTarget` if one is not ours."""
    named: list[str] | str = request.resource or []
    if isinstance(named, str):
        sent = [*parse_qsl(request.uri_query), *(request.decoded_body or [])]
        named = [value for name, value in sent if name == "resource"]
    if not all(map(resource_indicators.is_own, named)):
        raise InvalidTarget(request=request)
    return list(dict.fromkeys(named))


class Core(OAuthLibCore):
    """Hands oauthlib what it knows, once each, and answers clients in JSON."""

    def _get_escaped_full_path(self, request: HttpRequest) -> str:
        path, known = request.get_full_path().partition("?")[0], known_parameters(request.GET)
        pairs = [(name, value) for name, values in known.lists() for value in values]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        known = known_parameters(request.POST)
        return [(name, value) for name, values in known.lists() for value in values]

    def create_token_response(self, request: HttpRequest) -> Answer:
        try:
            check_token_request(request)
            address, headers, body, status = super().create_token_response(request)
        except errors.OAuth2Error as error:
            address, headers, body, status = None, error.headers, error.json, error.status_code
        return address, json_headers(headers, status), body, status

    def create_revocation_response(self, request: HttpRequest) -> Answer:
        try:
            check_client_request(request)
            address, headers, body, status = super().create_revocation_response(request)
        except errors.OAuth2Error as error:
            address, headers, body, status = None, error.headers, error.json, error.status_code
        return address, json_headers(headers, status), body or "{}", status


def json_headers(headers: dict[str, str], status: int) -> dict[str, str]:
    """With a challenge in the scheme that clients authenticate by; oauthlib's is that of an API (RFC 6749 §5.2)."""
    challenge = {"WWW-Authenticate": BASIC_CHALLENGE} if status == HTTPStatus.UNAUTHORIZED else {}
    return {**headers, **JSON_HEADERS, **challenge}


class RequestRules(OAuth2Validator):
    def _extract_basic_auth(self, request: AnyRequest) -> str | None:
        """The name of the scheme may be written in any case (RFC 9110 §11.1)."""
        scheme, _blank, encoded = request.headers.get("HTTP_AUTHORIZATION", "").partition(" ")
        return encoded if scheme.lower() == "basic" else None

    def is_origin_allowed(self, client_id: str, origin: str, request: AnyRequest, *args: Any, **kwargs: Any) -> bool:
        try:
            return bool(super().is_origin_allowed(client_id, origin, request, *args, **kwargs))
        except ValueError:  # no address at all
            return False

    def get_code_challenge(self, code: str, request: AnyRequest) -> str | None:
        if request.code_verifier and not CODE_CHALLENGE.fullmatch(request.code_verifier):
            raise errors.InvalidGrantError(
                description="code_verifier must be 43 to 128 unreserved characters.", request=request
            )
        challenge: str | None = super().get_code_challenge(code, request)
        return challenge

    def _create_authorization_code(self, request: AnyRequest, code: dict[str, str], expires: Any = None) -> Any:
        """The consent form brought what is stored: it is judged again. Remembers whether redirect_uri was sent."""
        if fault := find_fault_of_challenge(request.code_challenge, request.code_challenge_method):
            raise fault
        request.resource = requested_resources(request)
        asked = dict(parse_qsl(request.uri_query))
        grant = super()._create_authorization_code(request, code, expires)
        if "client_id" in asked and "redirect_uri" not in asked:
            grant.redirect_uri = ""
            grant.save(update_fields=["redirect_uri"])
        return grant

    def _check_and_set_request_resource(self, request: AnyRequest) -> None:
        """Those of the grant, or fewer. Not the toolkit's, which looks for the code and not for its hash."""
        named = requested_resources(request)
        request.granted_resources = granted_resources(request, named)
        if request.granted_resources and not set(named) <= set(request.granted_resources):
            raise InvalidTarget(description="The resource was not asked for at the authorization.", request=request)
        request.resource = named or request.granted_resources


def granted_resources(request: AnyRequest, named: list[str]) -> list[str]:
    """Empty: the grant is bound to none."""
    if request.grant_type == "authorization_code":
        code = {"code": code_replay.digest(request.code), "application": request.client}
        return list(Grant.objects.filter(**code).values_list("resource", flat=True).first() or [])
    if request.grant_type == "refresh_token":
        return list(request.refresh_token_instance.resource)
    return named
