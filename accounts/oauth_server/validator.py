"""django-oauth-toolkit's validator with stricter rules. Uses its internals, so its version is pinned below 4.

What settings cannot express: tokens and codes of a deactivated user stop working at once, a reused code ends the tokens
of its first use, codes are stored as hashes, a client has scopes of its own, a token family has a maximum lifetime, and
only first-party clients may use passwords.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
    revoke_access_token,
)
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc8628.grant_types import DeviceCodeGrant

from accounts import token_families
from accounts.access_tokens.models import ApplicationPassword
from accounts.audit import log
from accounts.audit.log import Event, Kind
from accounts.models import User
from accounts.oauth_server import application_changes, device_codes, password_grant, replays, scopes_backend
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.models import Application, DeviceAuthorization
from accounts.oauth_server.refresh_rules import RefreshRules
from accounts.oauth_server.replays import hash_secret
from accounts.oauth_server.request_rules import DEVICE_CODE, RequestRules, is_active, may_act
from accounts.scopes import allows_scope, is_service
from accounts.sign_in.middleware import LockedOut, client_address, seconds_locked

DEVICE_STATES: Any = DeviceCodeGrant  # its constants are not in the stubs
AccessToken, Grant, RefreshToken = get_access_token_model(), get_grant_model(), get_refresh_token_model()


class TooManyAttempts(errors.InvalidGrantError):
    """The user is locked out. The password was not checked."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    description = "Too many wrong passwords. Wait and try again."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(seconds_locked())}


class Validator(RequestRules, RefreshRules):
    """The validator that the settings name. `RequestRules` and `RefreshRules` are its parts."""

    def validate_bearer_token(self, token: str, required_scopes: list[str], request: Request) -> bool:
        with scopes_backend.only_needed():
            return super().validate_bearer_token(token, required_scopes, request) and is_active(request.user)

    def _load_access_token(self, token: str) -> Any:
        access_token = super()._load_access_token(token)
        scopes_backend.limit_to(access_token.scope.split() if access_token else ())
        return access_token

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        """All scopes of the grant, without those that the client may no longer have.

        An integration that is turned off now keeps its scope.
        """
        words = token_families.granted_scope(cast(Any, request).refresh_token_instance).split()
        client = cast(Application, request.client)
        available = scopes_backend.Scopes().get_available_scopes(client, names=words)
        services = [word for word in words if is_service(word) and allows_scope(client.scope_values, word)]
        return [scope for scope in words if scope in available or scope in services]

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if grant_type == "password":  # the toolkit would log a warning each time
            return client.may_take_passwords and client.allows_grant_type(Application.GRANT_PASSWORD)
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))

    @method_decorator(sensitive_variables("password"))
    def validate_user(
        self, username: str, password: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Check a username and password.

        oauthlib checks the grant type later, but a client that may not use passwords must not be able to test them.
        """
        if not self.validate_grant_type(client.client_id, "password", client, request):
            raise errors.UnauthorizedClientError(request=request)
        try:
            checked = password_grant.check_password(self.build_http_request(request), username, password)
        except LockedOut:
            raise TooManyAttempts(request=request) from None
        if checked is None:
            raise errors.InvalidGrantError(description=password_grant.REFUSED, request=request)
        request.user, cast(Any, request).application_password = checked.user, checked.application_password
        return True

    # Authorization codes: the database has only their hashes -------------------------------------------------------

    def validate_code(
        self, client_id: str, code: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if super().validate_code(client_id, hash_secret(code), client, request, *args, **kwargs):
            return may_act(request.user)
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
        """Require the redirect_uri of the authorization request, if it had one (RFC 6749 §4.1.3)."""
        with self.unless_redeemed(code, request):
            requested_uri = Grant.objects.get(code=hash_secret(code), application=client).redirect_uri
        if requested_uri and request.using_default_redirect_uri:
            message = "redirect_uri is missing; it was in the authorization request."
            raise errors.InvalidRequestError(description=message, request=request)
        if redirect_uri != (requested_uri or client.default_redirect_uri):
            message = "redirect_uri is not that of the authorization request."
            raise errors.InvalidGrantError(description=message, request=request)
        return True

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        super().invalidate_authorization_code(client_id, hash_secret(code), request, *args, **kwargs)

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        with self.unless_redeemed(code, request):
            challenge: str | None = super().get_code_challenge(hash_secret(code), request)
        return challenge

    def get_code_challenge_method(self, code: str, request: Request) -> str | None:
        with self.unless_redeemed(code, request):
            method: str | None = super().get_code_challenge_method(hash_secret(code), request)
        return method

    @contextmanager
    def unless_redeemed(self, code: str, request: Request) -> Iterator[None]:
        """Treat a code that disappears inside the block as replayed: a parallel request has redeemed it."""
        try:
            yield
        except Grant.DoesNotExist:
            self.end_replayed(code, cast(Application, request.client), request)
            raise errors.InvalidGrantError(request=request) from None

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Request
    ) -> list[str]:
        granted: list[str] = super().get_authorization_code_scopes(client_id, hash_secret(code), redirect_uri, request)
        return granted

    def _create_authorization_code(self, request: Request, code: dict[str, str], expires: Any = None) -> Any:
        return super()._create_authorization_code(request, {**code, "code": hash_secret(code["code"])}, expires)

    # Device codes -------------------------------------------------------------------------------------------------

    def validate_device_code(self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any) -> Any:
        """The state of the device's request, which oauthlib puts into words (RFC 8628 §3.5); None if unknown."""
        client = cast(Application, request.client)
        device = device_codes.find_by_device_code(code, client)
        if device is None:
            self.end_replayed(code, client, request)
            return None
        if device.expires_at <= timezone.now():
            return DEVICE_STATES.DEVICE_CODE_EXPIRED
        if device.status == DeviceAuthorization.Status.PENDING:
            is_too_early = device_codes.is_too_early(device)
            return DEVICE_STATES.DEVICE_CODE_SLOW_DOWN if is_too_early else DEVICE_STATES.DEVICE_CODE_PENDING
        is_unchanged = device.approved_version == approved_version(client)
        if device.status == DeviceAuthorization.Status.DENIED or not (is_unchanged and may_act(device.user)):
            return DEVICE_STATES.DEVICE_CODE_DENIED
        request.user, request.scopes = device.user, list(device.scopes)
        cast(Any, request).device_authorization = device
        return DEVICE_STATES.DEVICE_CODE_AUTHORIZED

    def _create_refresh_token(self, request: Request, code: str, access_token: Any, previous: Any) -> Any:
        issued = super()._create_refresh_token(request, code, access_token, previous)
        if request.grant_type != "refresh_token":
            made_with = getattr(getattr(request, "application_password", None), "pk", None)
            token_families.start_family(issued.token_family, scope=access_token.scope, made_with=made_with)
            self.log_event(Kind.GRANTED, issued, request)
        return issued

    def record_reuse(self, refresh_token: Any, request: Request) -> None:
        self.log_event(Kind.REFRESH_REUSED, refresh_token, request)

    def log_event(self, kind: Kind, refresh_token: Any, request: Request) -> None:
        """Write an event for the owner of a refresh token, once for each family."""
        if not Event.objects.filter(subject_id=refresh_token.token_family, kind=kind).exists():
            application, address = refresh_token.application, client_address(self.build_http_request(request))
            name, family = application.title, refresh_token.token_family
            log.write(kind, whose=refresh_token.user, address=address, subject=name, subject_id=family)

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Issue tokens. Of two parallel requests with one code, the second counts as a replay."""
        try:
            super().save_bearer_token(token, request, *args, **kwargs)
        except replays.Replayed:
            self.end_replayed(str(code_in(request)), cast(Application, request.client), request)
            raise errors.InvalidGrantError(request=request) from None

    def end_replayed(self, code: str, client: Application, request: Request) -> None:
        for refresh_token in replays.end_tokens_of(code, client):
            self.log_event(Kind.CODE_REPLAYED, refresh_token, request)

    def _save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Lock the application and the grant while tokens are issued. If one changed since it was read, refuse.

        A change that comes later waits for the locks, and then ends these tokens too.
        """
        client = cast(Application, request.client)
        stored = application_changes.lock_application(pk=client.pk)
        if stored is None or approved_version(stored) != approved_version(client):
            raise errors.InvalidGrantError(description="The application has just been changed.", request=request)
        if not lock_grant(request):
            raise replays.Replayed
        if request.grant_type == DEVICE_CODE and not device_codes.redeem(cast(Any, request).device_authorization):
            raise replays.Replayed
        super()._save_bearer_token(token, request, *args, **kwargs)
        record_use(stored)
        if code := code_in(request):
            replays.record_redemption(code, token, client)


def lock_grant(request: Request) -> bool:
    """Lock what tokens are issued for until the transaction ends; returns whether it is still there.

    A refresh token is locked by `RefreshRules`, a device by its redemption.
    """
    if request.grant_type == "authorization_code":
        codes = Grant.objects.select_for_update().filter(
            code=hash_secret(str(request.code)), application=request.client
        )
        return codes.first() is not None
    if request.grant_type == "password":
        user = cast(User, request.user)
        users = User.objects.select_for_update(no_key=True).filter(pk=user.pk, password=user.password, is_active=True)
        is_same, row = users.first() is not None, getattr(request, "application_password", None)
        passwords = ApplicationPassword.objects.alive().select_for_update(no_key=True)
        return is_same and (row is None or passwords.filter(pk=row.pk).first() is not None)
    return True


def code_in(request: Request) -> str:
    """The authorization code or device code that the client exchanges; "" for other grant types."""
    codes = {"authorization_code": request.code, DEVICE_CODE: request.device_code}
    return str(codes.get(str(request.grant_type), ""))


def record_use(application: Application) -> None:
    """Store when the application last got tokens, at most once a minute."""
    now = timezone.now()
    if application.last_used_at is None or application.last_used_at < now - timedelta(minutes=1):
        Application.objects.filter(pk=application.pk).update(last_used_at=now)


def end_grants(user: User, application: Application | None = None) -> None:
    """End all codes and tokens of a user, at once; those of one application, if given."""
    of_user = {"user": user, **({"application": application} if application else {})}
    Grant.objects.filter(**of_user).delete()  # unredeemed codes
    DeviceAuthorization.objects.filter(**of_user).delete()
    for family in set(RefreshToken.objects.filter(**of_user, revoked=None).values_list("token_family", flat=True)):
        token_families.end_family(family)
    AccessToken.objects.filter(**of_user).delete()


def end_leaked_grants(tokens: list[str]) -> list[tuple[User | None, Application]]:
    """End the grants behind leaked tokens; strings that are no tokens are ignored.

    Returns the owner and the application of each grant that was alive.
    """
    checksums = [hash_secret(token) for token in tokens]
    refresh_tokens = list(
        RefreshToken.objects.filter(token_checksum__in=checksums).select_related("user", "application")
    )
    access_tokens = list(AccessToken.objects.filter(token_checksum__in=checksums).select_related("user", "application"))
    for refresh_token in refresh_tokens:
        token_families.end_family(refresh_token.token_family)
    for access_token in access_tokens:
        families = RefreshToken.objects.filter(access_token=access_token).values_list("token_family", flat=True)
        for family in list(families):
            token_families.end_family(family)
        revoke_access_token(access_token)
    alive = [token for token in refresh_tokens if token.revoked is None] + access_tokens
    return list({(token.user, token.application) for token in alive if token.application})
