"""django-oauth-toolkit's rules, tightened. The one module that knows its insides; pinned below version 4.

What its own settings cannot say: a deactivated person's tokens and codes are dead at once, a code that comes twice ends
what it gave the first time, codes are stored as hashes, scopes are those of the client, a family of refresh tokens ends
some day however often it is renewed, and passwords are only for clients of our own.
"""

import hashlib
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.db.models import Min
from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_refresh_token_model, revoke_access_token
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import BaseScopes
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from accounts import scopes
from accounts.models import Application, RedeemedCode, User

AccessToken, RefreshToken = get_access_token_model(), get_refresh_token_model()
CODES_REMEMBERED = timedelta(days=1)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Scopes(BaseScopes):
    """A client can be given what its registration names, and least if it names nothing in its request."""

    def get_all_scopes(self) -> dict[str, Any]:
        return scopes.all_scopes()

    def get_available_scopes(
        self, application: Application | None = None, request: Request | None = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        known = scopes.all_scopes()
        return [scope for scope in (application.scope_values if application else known) if scope in known]

    def get_default_scopes(
        self, application: Application | None = None, request: Request | None = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        available = self.get_available_scopes(application)
        return [scopes.LEAST] if scopes.LEAST in available else available[:1]


class Validator(OAuth2Validator):
    def validate_bearer_token(self, token: str, wanted: list[str], request: Request) -> bool:
        return super().validate_bearer_token(token, wanted, request) and is_active(request.user)

    def validate_refresh_token(
        self, refresh_token: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return False
        return is_active(request.user) and not is_over(request.refresh_token_instance)

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

    def validate_user(
        self, username: str, password: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """oauthlib asks for the grant type after this: whoever may not use passwords learns nothing about them."""
        if not self.validate_grant_type(client.client_id, "password", client, request):
            raise errors.UnauthorizedClientError(request=request)
        return bool(super().validate_user(username, password, client, request, *args, **kwargs))

    # Codes: in the database there are only their hashes ------------------------------------------------------------

    def validate_code(
        self, client_id: str, code: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if super().validate_code(client_id, digest(code), client, request, *args, **kwargs):
            return is_active(request.user)
        end_what_it_gave(code, client)
        return False

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Application, *args: Any, **kwargs: Any
    ) -> bool:
        return bool(super().confirm_redirect_uri(client_id, digest(code), redirect_uri, client, *args, **kwargs))

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        super().invalidate_authorization_code(client_id, digest(code), request, *args, **kwargs)

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        challenge: str | None = super().get_code_challenge(digest(code), request)
        return challenge

    def get_code_challenge_method(self, code: str, request: Request) -> str | None:
        method: str | None = super().get_code_challenge_method(digest(code), request)
        return method

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Request
    ) -> list[str]:
        granted: list[str] = super().get_authorization_code_scopes(client_id, digest(code), redirect_uri, request)
        return granted

    def _create_authorization_code(self, request: Request, code: dict[str, str], expires: Any = None) -> Any:
        return super()._create_authorization_code(request, {**code, "code": digest(code["code"])}, expires)

    def _save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        super()._save_bearer_token(token, request, *args, **kwargs)
        if request.grant_type == "authorization_code":
            remember(str(request.code), token, cast(Application, request.client))


def is_active(user: User | None) -> bool:
    """Nobody stands behind a client's own token; a person must be there still."""
    return user is None or User.objects.filter(pk=user.pk, is_active=True).exists()


def is_over(refresh_token: Any) -> bool:
    """However often it was renewed: the sign-in that a family began with is too long ago (RFC 9700 §4.14.2)."""
    family = RefreshToken.objects.filter(token_family=refresh_token.token_family)
    began = family.aggregate(began=Min("created"))["began"] or refresh_token.created
    return bool(timezone.now() - began > settings.REFRESH_TOKEN_FAMILY_LIFETIME)


def remember(code: str, token: dict[str, Any], client: Application) -> None:
    """What a code gave, so that it can be taken back if the code comes again. In the transaction of the tokens."""
    issued = RefreshToken.objects.filter(token_checksum=digest(token.get("refresh_token", ""))).first()
    RedeemedCode.objects.filter(at__lt=timezone.now() - CODES_REMEMBERED).delete()
    RedeemedCode.objects.create(
        code_hash=digest(code),
        application=client,
        token_family=issued.token_family if issued else None,
        access_token_checksum=digest(token["access_token"]),
    )


def end_what_it_gave(code: str, client: Application) -> None:
    """A code that was used before is in two hands: neither keeps what it gave (RFC 6749 §4.1.2)."""
    redeemed = RedeemedCode.objects.filter(code_hash=digest(code), application=client).first()
    if redeemed is None:
        return
    RefreshToken.revoke_family(redeemed.token_family)
    for access_token in AccessToken.objects.filter(token_checksum=redeemed.access_token_checksum):
        revoke_access_token(access_token)


def end_all(user: User, application: Application | None = None) -> None:
    """Everything that programs hold of this person is dead when this returns; of one program, if it is given."""
    mine = {"user": user, **({"application": application} if application else {})}
    families = set(RefreshToken.objects.filter(**mine, revoked__isnull=True).values_list("token_family", flat=True))
    for family in families:
        RefreshToken.revoke_family(family)
    AccessToken.objects.filter(**mine).delete()


def asking_client(request: HttpRequest) -> Application | None:
    """The confidential client that proved its identity in this request (RFC 6749 §2.3.1)."""
    core = get_oauthlib_core()
    asked = Request(*core._extract_params(request))
    if not core.server.request_validator.authenticate_client(asked):
        return None
    client = cast(Application, asked.client)
    return client if client.client_type == Application.CLIENT_CONFIDENTIAL else None


def introspection(token: str, client: Application) -> dict[str, Any] | None:
    """What RFC 7662 tells of a living token of this client; None for any other."""
    mine = {"token_checksum": digest(token), "application": client}
    found = AccessToken.objects.select_related("user").filter(**mine).first()
    if found and found.is_valid() and is_active(found.user):
        return told_of(found.user, client, scope=found.scope, exp=int(found.expires.timestamp()))
    held = RefreshToken.objects.select_related("user", "access_token").filter(**mine, revoked__isnull=True).first()
    if held and held.access_token and is_active(held.user) and not is_over(held):
        return told_of(held.user, client, scope=held.access_token.scope)
    return None


def told_of(user: User | None, client: Application, **facts: Any) -> dict[str, Any]:
    who = {"username": user.get_username(), "sub": str(user.pk)} if user else {}
    return {"active": True, "client_id": client.client_id, **who, **facts}
