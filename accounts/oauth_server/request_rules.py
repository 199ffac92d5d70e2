"""Checks of OAuth requests that RFC 6749 and its successors require, and oauthlib and the toolkit lack.

Resource indicators (RFC 8707) say which `resource` a client may request, and where a token bound to one is accepted.
`Core` translates between Django's and oauthlib's requests, for every endpoint of the server. `RequestRules` is the part
of the validator that checks the form of requests. Knows no approvals.
"""

import base64
import re
from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote_plus, urlsplit

from django.conf import settings
from django.http import HttpRequest, QueryDict
from oauth2_provider.models import get_grant_model
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator, validate_resource_as_url_prefix
from oauth2_provider.scopes import get_scopes_backend
from oauthlib.common import urlencode
from oauthlib.oauth2.rfc6749 import errors

from accounts.models import User
from accounts.oauth_server import replays
from accounts.oauth_server.error_answers import describe_error, json_headers
from accounts.sign_in import mfa

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST = 2000  # characters of a resource


def is_own_address(resource: str) -> bool:
    """Whether the resource is a URL of this site. Nothing else accepts our tokens."""
    if not resource.isascii() or not resource.isprintable() or len(resource) > LONGEST or {" ", "#"} & {*resource}:
        return False
    try:
        parts = urlsplit(resource)
        return "@" not in parts.netloc and _origin(parts) == _origin(urlsplit(settings.SITE_URL))
    except ValueError:  # malformed port or IPv6 address
        return False


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = parts.scheme.lower()
    return scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(scheme)


def is_url_covered(request_url: str, resources: Iterable[str]) -> bool:
    """Whether a token for these resources is accepted at this URL of ours, under any host name."""
    path = urlsplit(request_url).path
    return bool(validate_resource_as_url_prefix(f"{settings.SITE_URL}{path}", list(resources)))


# Requests -------------------------------------------------------------------------------------------------------------


Grant = get_grant_model()
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
GRANT_TYPES = frozenset({"authorization_code", "password", "client_credentials", "refresh_token", DEVICE_CODE})

# All others must be ignored (RFC 6749 §3.1). In oauthlib's request they would also hide attributes of its own.
PARAMETERS = frozenset({
    "client_id", "client_secret", "code", "code_challenge", "code_challenge_method", "code_verifier", "device_code",
    "grant_type", "password", "prompt", "redirect_uri", "refresh_token", "resource", "response_mode", "response_type",
    "scope", "state", "token", "token_type_hint", "username",
})  # fmt: skip
REPEATABLE = frozenset({"resource"})  # RFC 8707 §2
CODE_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # and code_verifier (RFC 7636 §4.1, §4.2)
AnyRequest: TypeAlias = Any  # oauthlib's Request, on which oauthlib, the toolkit and we set attributes
Answer: TypeAlias = tuple[str | None, dict[str, str], str | None, int]  # address, headers, body, status


class InvalidTarget(errors.OAuth2Error):
    error = "invalid_target"
    description = "The resource is not one of this server."


def known_parameters(parameters: QueryDict) -> QueryDict:
    """The parameters that this server knows and that have a value. Empty ones count as omitted (RFC 6749 §3.1)."""
    result = QueryDict(mutable=True)
    for name, values in parameters.lists():
        if name in PARAMETERS and any(values):
            result.setlist(name, [value for value in values if value])
    return result


def find_request_error(parameters: QueryDict) -> errors.OAuth2Error | None:
    """The first error in the form of an authorization request (RFC 6749 §4.1.2.1), whichever client sent it."""
    if name := find_repeated_parameter(parameters):
        return errors.InvalidRequestError(description=f"Repeated parameter: {name}.")
    if "response_type" not in parameters:
        return errors.MissingResponseTypeError()
    if parameters["response_type"] != "code":
        return errors.UnsupportedResponseTypeError()
    if parameters.get("response_mode", "query") != "query":
        return errors.InvalidRequestError(description="Unsupported response_mode; use query.")
    prompts = parameters.get("prompt", "").split()
    if "none" in prompts and len(prompts) > 1:
        return errors.InvalidRequestError(description="prompt=none stands alone.")
    if "create" in prompts:  # the toolkit would not report it to the client
        return errors.InvalidRequestError(description="Unsupported prompt: create.")
    if not all(map(is_own_address, parameters.getlist("resource"))):
        return InvalidTarget()
    return find_challenge_error(parameters.get("code_challenge"), parameters.get("code_challenge_method"))


def find_challenge_error(challenge: str | None, method: str | None) -> errors.OAuth2Error | None:
    """The error in a PKCE challenge (RFC 7636 §4.3). Only S256 is accepted."""
    if not challenge:
        return errors.MissingCodeChallengeError()
    if not CODE_CHALLENGE.fullmatch(challenge):
        return errors.InvalidRequestError(description="code_challenge must be 43 to 128 unreserved characters.")
    if method != "S256":
        return errors.UnsupportedCodeChallengeMethodError(description="Unsupported code_challenge_method; use S256.")
    return None


def find_repeated_parameter(parameters: QueryDict) -> str:
    """The name of a parameter that was sent more than once (RFC 6749 §3.1); "" if there is none."""
    repeated = (name for name, values in parameters.lists() if len(values) > 1)
    return next((name for name in repeated if name in PARAMETERS - REPEATABLE), "")


def check_client_request(request: HttpRequest) -> None:
    """Raise the error in the form of a request that a client sends, to any endpoint (RFC 6749 §3.2)."""
    if request.META.get("QUERY_STRING"):
        raise errors.InvalidRequestError(description="Parameters belong in the body.")
    if name := find_repeated_parameter(request.POST):
        raise errors.InvalidRequestError(description=f"Repeated parameter: {name}.")
    scheme, _blank, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_basic = scheme.lower() == "basic"
    in_body = [request.POST.get(name) for name in ("client_secret", "client_assertion")]
    if sum(map(bool, [is_basic, *in_body])) > 1:
        raise errors.InvalidRequestError(description="The client authenticates in two ways.")
    if is_basic and (claimed := request.POST.get("client_id")) and claimed != client_id_in(encoded):
        raise errors.InvalidRequestError(description="The client has two client_id.")


def claimed_client_id(request: HttpRequest) -> str:
    """The client ID in the body or in HTTP Basic authentication, not checked; "" if there is none."""
    _scheme, _blank, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return request.POST.get("client_id") or client_id_in(encoded)


def client_id_in(encoded: str) -> str:
    """The client ID in credentials of HTTP Basic authentication (RFC 6749 §2.3.1); "" if malformed."""
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
    """All `resource` parameters, of which oauthlib has only the last. Raises `InvalidTarget` if one is not ours."""
    resources: list[str] | str = request.resource or []
    if isinstance(resources, str):
        pairs = [*parse_qsl(request.uri_query), *(request.decoded_body or [])]
        resources = [value for name, value in pairs if name == "resource"]
    if not all(map(is_own_address, resources)):
        raise InvalidTarget(request=request)
    return list(dict.fromkeys(resources))


class Core(OAuthLibCore):
    """Passes known parameters to oauthlib, without repetitions, and answers clients in JSON."""

    def _get_escaped_full_path(self, request: HttpRequest) -> str:
        path, parameters = request.get_full_path().partition("?")[0], known_parameters(request.GET)
        pairs = [(name, value) for name, values in parameters.lists() for value in values]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        parameters = known_parameters(request.POST)
        return [(name, value) for name, values in parameters.lists() for value in values]

    def create_token_response(self, request: HttpRequest) -> Answer:
        try:
            check_token_request(request)
            address, headers, body, status = super().create_token_response(request)
        except errors.OAuth2Error as error:
            address, headers, body, status = None, error.headers, error.json, error.status_code
        return address, json_headers(headers, status), describe_error(body), status

    def create_revocation_response(self, request: HttpRequest) -> Answer:
        try:
            check_client_request(request)
            address, headers, body, status = super().create_revocation_response(request)
        except errors.OAuth2Error as error:
            address, headers, body, status = None, error.headers, error.json, error.status_code
        return address, json_headers(headers, status), describe_error(body) or "{}", status


class RequestRules(OAuth2Validator):
    """Request rules of the validator."""

    def _extract_basic_auth(self, request: AnyRequest) -> str | None:
        """The credentials. The scheme name is case-insensitive (RFC 9110 §11.1)."""
        scheme, _blank, encoded = request.headers.get("HTTP_AUTHORIZATION", "").partition(" ")
        return encoded if scheme.lower() == "basic" else None

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Any, request: AnyRequest, *args: Any, **kwargs: Any
    ) -> bool:
        """Leave out what a self-registered client may not have (RFC 6749 §3.3): it cannot know what it may ask for.

        The toolkit's asks for all scopes of the client, which may be all integrations.
        """
        available = get_scopes_backend().get_available_scopes(application=client, request=request, names=scopes)
        if client.is_self_registered:
            request.scopes = scopes = [scope for scope in scopes if scope in available]
            return bool(scopes)
        return set(scopes) <= set(available)

    def is_origin_allowed(self, client_id: str, origin: str, request: AnyRequest, *args: Any, **kwargs: Any) -> bool:
        try:
            return bool(super().is_origin_allowed(client_id, origin, request, *args, **kwargs))
        except ValueError:  # cannot be parsed
            return False

    def get_code_challenge(self, code: str, request: AnyRequest) -> str | None:
        if request.code_verifier and not CODE_CHALLENGE.fullmatch(request.code_verifier):
            raise errors.InvalidGrantError(
                description="code_verifier must be 43 to 128 unreserved characters.", request=request
            )
        challenge: str | None = super().get_code_challenge(code, request)
        return challenge

    def _create_authorization_code(self, request: AnyRequest, code: dict[str, str], expires: Any = None) -> Any:
        """Check the parameters again, since they come from the consent form. Stores whether redirect_uri was sent."""
        if fault := find_challenge_error(request.code_challenge, request.code_challenge_method):
            raise fault
        request.resource = requested_resources(request)
        query = dict(parse_qsl(request.uri_query))
        grant = super()._create_authorization_code(request, code, expires)
        if "client_id" in query and "redirect_uri" not in query:
            grant.redirect_uri = ""
            grant.save(update_fields=["redirect_uri"])
        return grant

    def _check_and_set_request_resource(self, request: AnyRequest) -> None:
        """Allow the resources of the grant, or fewer. The toolkit's looks up the code, but we store its hash."""
        resources = requested_resources(request)
        request.granted_resources = granted_resources(request, resources)
        if request.granted_resources and not set(resources) <= set(request.granted_resources):
            raise InvalidTarget(description="The resource was not asked for at the authorization.", request=request)
        request.resource = resources or request.granted_resources


def granted_resources(request: AnyRequest, requested: list[str]) -> list[str]:
    """The resources that the grant is bound to; empty if it is bound to none."""
    if request.grant_type == "authorization_code":
        code = {"code": replays.hash_secret(request.code), "application": request.client}
        return list(Grant.objects.filter(**code).values_list("resource", flat=True).first() or [])
    if request.grant_type == "refresh_token":
        return list(request.refresh_token_instance.resource)
    if request.grant_type == DEVICE_CODE:
        return list(request.device_authorization.resources)
    return requested


def may_act(user: User | None) -> bool:
    """Whether the account is active, and has two-step sign-in if that is required. True for None, as `is_active`."""
    return user is None or User.objects.filter(mfa.is_satisfied(), pk=user.pk, is_active=True).exists()


def is_active(user: User | None) -> bool:
    """Whether the account exists and is active. True for None: a client's own token has no user."""
    return user is None or User.objects.filter(pk=user.pk, is_active=True).exists()
