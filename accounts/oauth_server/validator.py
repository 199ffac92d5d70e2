"""django-oauth-toolkit's rules, tightened. The one module that knows its insides; pinned below version 4.

What its own settings cannot say: a deactivated person's tokens and codes are dead at once, a code that comes twice ends
what it gave the first time, codes are stored as hashes, scopes are those of the client, a family of refresh tokens ends
some day however often it is renewed, and passwords are only for clients of our own.
"""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast

from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
    revoke_access_token,
)
from oauth2_provider.scopes import BaseScopes
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from accounts import scopes, token_families
from accounts.access_tokens import operations
from accounts.audit import log
from accounts.audit.log import Event, Kind
from accounts.models import User
from accounts.oauth_server import application_changes, code_replay, password_grant
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.code_replay import digest
from accounts.oauth_server.models import Application
from accounts.oauth_server.refresh_rules import RefreshRules, is_active
from accounts.oauth_server.request_rules import RequestRules
from accounts.sign_in.lockout import LockedOut, client_address, seconds_locked

AccessToken, Grant, RefreshToken = get_access_token_model(), get_grant_model(), get_refresh_token_model()


class Scopes(BaseScopes):
    """A client can be given what its registration names, and least if it names nothing in its request."""

    def get_all_scopes(self) -> dict[str, Any]:
        return scopes.all_scopes()

    def get_available_scopes(
        self, application: Application | None = None, request: Request | None = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        if application is None:  # metadata, which anybody reads: what is connected here is nobody's business
            return list(scopes.FIXED)
        known: Container[str] = scopes.all_scopes()
        shown = getattr(request, "application_password", None)
        if shown:  # gives no more than it was made for
            known = operations.rights_of_application_password(shown)
        return [scope for scope in application.scope_values if scope in known]

    def get_default_scopes(
        self, application: Application | None = None, request: Request | None = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        available = self.get_available_scopes(application, request)
        return [scopes.LEAST] if scopes.LEAST in available else available[:1]


class TooManyTries(errors.InvalidGrantError):
    """The password was not looked at."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    description = "Too many wrong passwords. Wait and try again."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(seconds_locked())}


class Validator(RequestRules, RefreshRules):
    def validate_bearer_token(self, token: str, wanted: list[str], request: Request) -> bool:
        return super().validate_bearer_token(token, wanted, request) and is_active(request.user)

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        """What was granted, less what the client may not have any more."""
        granted = super().get_original_scopes(refresh_token, request, *args, **kwargs)
        words = granted.split() if isinstance(granted, str) else granted
        return [scope for scope in words if scope in Scopes().get_available_scopes(request.client)]

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if grant_type == "password":  # not asked above, where it would be warned of each time
            return client.may_take_passwords and client.allows_grant_type(Application.GRANT_PASSWORD)
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))

    @method_decorator(sensitive_variables("password"))
    def validate_user(
        self, username: str, password: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """oauthlib asks for the grant type after this: whoever may not use passwords learns nothing about them."""
        if not self.validate_grant_type(client.client_id, "password", client, request):
            raise errors.UnauthorizedClientError(request=request)
        try:
            opened = password_grant.check(self.build_http_request(request), username, password)
        except LockedOut:
            raise TooManyTries(request=request) from None
        if opened is None:
            raise errors.InvalidGrantError(description=password_grant.REFUSED, request=request)
        request.user, cast(Any, request).application_password = opened.user, opened.application_password
        return True

    # Codes: in the database there are only their hashes ------------------------------------------------------------

    def validate_code(
        self, client_id: str, code: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if super().validate_code(client_id, digest(code), client, request, *args, **kwargs):
            return is_active(request.user)
        self.end_replayed(code, client, request)
        return False

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Application,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        """Needed where it was in the authorization request, and then the same (RFC 6749 §4.1.3)."""
        with self.unless_redeemed(code, request):
            asked_with = Grant.objects.get(code=digest(code), application=client).redirect_uri
        if asked_with and request.using_default_redirect_uri:
            told = "redirect_uri is missing; it was in the authorization request."
            raise errors.InvalidRequestError(description=told, request=request)
        if redirect_uri != (asked_with or client.default_redirect_uri):
            told = "redirect_uri is not that of the authorization request."
            raise errors.InvalidGrantError(description=told, request=request)
        return True

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        super().invalidate_authorization_code(client_id, digest(code), request, *args, **kwargs)

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        with self.unless_redeemed(code, request):
            challenge: str | None = super().get_code_challenge(digest(code), request)
        return challenge

    def get_code_challenge_method(self, code: str, request: Request) -> str | None:
        with self.unless_redeemed(code, request):
            method: str | None = super().get_code_challenge_method(digest(code), request)
        return method

    @contextmanager
    def unless_redeemed(self, code: str, request: Request) -> Iterator[None]:
        """It was there a moment ago: somebody else came with the same code, and has been given tokens for it."""
        try:
            yield
        except Grant.DoesNotExist:
            self.end_replayed(code, cast(Application, request.client), request)
            raise errors.InvalidGrantError(request=request) from None

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Request
    ) -> list[str]:
        granted: list[str] = super().get_authorization_code_scopes(client_id, digest(code), redirect_uri, request)
        return granted

    def _create_authorization_code(self, request: Request, code: dict[str, str], expires: Any = None) -> Any:
        return super()._create_authorization_code(request, {**code, "code": digest(code["code"])}, expires)

    def _create_refresh_token(self, request: Request, *arguments: Any, **names: Any) -> Any:
        issued = super()._create_refresh_token(request, *arguments, **names)
        if request.grant_type != "refresh_token":
            shown = getattr(request, "application_password", None)
            token_families.begin(issued.token_family, made_with=shown.pk if shown else None)
            self.note(Kind.GRANTED, issued, request)
        return issued

    def note_reuse(self, refresh_token: Any, request: Request) -> None:
        self.note(Kind.REFRESH_REUSED, refresh_token, request)

    def note(self, kind: Kind, refresh_token: Any, request: Request) -> None:
        """In the diary of whose it is, once for each family."""
        if not Event.objects.filter(subject_id=refresh_token.token_family, kind=kind).exists():
            application, address = refresh_token.application, client_address(self.build_http_request(request))
            name, family = application.name or application.client_id, refresh_token.token_family
            log.write(kind, whose=refresh_token.user, address=address, subject=name, subject_id=family)

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Of two who come at once with one code the second is told what it would be told later."""
        try:
            super().save_bearer_token(token, request, *args, **kwargs)
        except code_replay.Replayed:
            self.end_replayed(str(request.code), cast(Application, request.client), request)
            raise errors.InvalidGrantError(request=request) from None

    def end_replayed(self, code: str, client: Application, request: Request) -> None:
        for refresh_token in code_replay.end_what_it_gave(code, client):
            self.note(Kind.CODE_REPLAYED, refresh_token, request)

    def _save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """A change of the application waits until this has ended, and ends what it gave; or it came first."""
        client = cast(Application, request.client)
        stored = application_changes.lock(pk=client.pk)
        if stored is None or approved_version(stored) != approved_version(client):
            raise errors.InvalidGrantError(description="The application has just been changed.", request=request)
        super()._save_bearer_token(token, request, *args, **kwargs)
        if request.grant_type == "authorization_code":
            code_replay.remember(str(request.code), token, cast(Application, request.client))


def end_all(user: User, application: Application | None = None) -> None:
    """Everything that programs hold of this person is dead when this returns; of one program, if it is given."""
    mine = {"user": user, **({"application": application} if application else {})}
    Grant.objects.filter(**mine).delete()  # codes that were not exchanged yet
    for family in set(RefreshToken.objects.filter(**mine, revoked=None).values_list("token_family", flat=True)):
        token_families.end(family)
    AccessToken.objects.filter(**mine).delete()


def end_leaked(tokens: list[str]) -> list[tuple[User | None, Application]]:
    """Ends the grants behind these access and refresh tokens, if they are any; whose they were, and which client's."""
    checksums = [digest(token) for token in tokens]
    held = list(RefreshToken.objects.filter(token_checksum__in=checksums).select_related("user", "application"))
    given = list(AccessToken.objects.filter(token_checksum__in=checksums).select_related("user", "application"))
    for refresh_token in held:
        token_families.end(refresh_token.token_family)
    for access_token in given:
        found = RefreshToken.objects.filter(access_token=access_token).values_list("token_family", flat=True)
        for family in list(found):
            token_families.end(family)
        revoke_access_token(access_token)
    alive = [token for token in held if token.revoked is None] + given
    return list({(token.user, token.application) for token in alive if token.application})
