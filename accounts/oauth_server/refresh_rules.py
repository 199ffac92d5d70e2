"""The part of the validator that checks refresh tokens, and ends a token family when one is reused."""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone
from oauth2_provider.models import get_refresh_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2.rfc6749 import errors

from accounts import token_families
from accounts.oauth_server import replays
from accounts.oauth_server.models import Application
from accounts.oauth_server.request_rules import AnyRequest, InvalidTarget, may_act
from foundation import installation
from foundation.exceptions import Explained
from foundation.secrets_at_rest import Unreadable

RefreshToken = get_refresh_token_model()


class AlreadyReplaced(Explained):
    """A parallel request has replaced the refresh token."""

    message = "A parallel request has replaced the refresh token."

    def __init__(self, refresh_token: Any) -> None:
        super().__init__()
        self.refresh_token = refresh_token


class RefreshRules(OAuth2Validator):
    """Refresh rules of the validator. A subclass implements `record_reuse`, which writes to the audit log."""

    def record_reuse(self, refresh_token: Any, request: AnyRequest) -> None:
        raise NotImplementedError

    def validate_refresh_token(
        self, refresh_token: str, client: Application, request: AnyRequest, *args: Any, **kwargs: Any
    ) -> bool:
        """Replaces the toolkit's, which ends the family before a replay within the window could be recognised."""
        rows = RefreshToken.objects.filter(token_checksum=replays.hash_secret(refresh_token))
        row = rows.select_related("access_token", "user").order_by(F("revoked").desc(nulls_first=True)).first()
        if row is None and (restored_from := installation.current_state().restored_from):
            message = f"Unknown. This site was restored from a backup of {restored_from:%Y-%m-%d %H:%M} UTC."
            raise errors.InvalidGrantError(description=message, request=request)
        if row is None:
            return False
        request.refresh_token = refresh_token
        successor = self.find_successor(row, request) if row.revoked is not None else None
        request.user = row.user
        request.refresh_token_instance = successor.row if successor else row
        request.refresh_successor = successor
        return row.application_id == client.pk and is_usable(request.refresh_token_instance)

    def find_successor(self, row: Any, request: AnyRequest) -> replays.Successor:
        """The successor of a replaced token, within the window. Else ends the family and raises InvalidGrantError."""
        try:
            successor = replays.find_successor(request.refresh_token, request.client)
        except Unreadable:  # the key is not set in this process, which is no reuse
            raise errors.InvalidGrantError(request=request) from None
        if successor is None:
            was_alive = RefreshToken.objects.filter(token_family=row.token_family, revoked=None).exists()
            token_families.end_family(row.token_family)
            for reused in token_families.find_superseded(row.token_checksum) if was_alive else ():
                self.record_reuse(reused, request)
            raise errors.InvalidGrantError(request=request)
        return successor

    def save_bearer_token(self, token: dict[str, Any], request: AnyRequest, *args: Any, **kwargs: Any) -> None:
        """Issue tokens. Of two parallel requests with one refresh token, the second gets the tokens of the first."""
        if request.grant_type != "refresh_token":
            super().save_bearer_token(token, request, *args, **kwargs)
        elif request.refresh_successor:
            self.return_successor(request.refresh_successor, token, request)
        else:
            try:
                super().save_bearer_token(token, request, *args, **kwargs)
            except AlreadyReplaced as error:
                self.return_successor(self.find_successor(error.refresh_token, request), token, request)

    def return_successor(self, successor: replays.Successor, token: dict[str, Any], request: AnyRequest) -> None:
        """Put the successor's tokens into the response, unless this request asks for other scopes than they have."""
        access_token = successor.row.access_token
        scopes, requested_scopes = set(access_token.scope.split()), set((request.scope or "").split())
        if not scopes <= set(request.scopes or ()) or not requested_scopes <= scopes:
            message = "The refresh token was just used for other scopes. Use the refresh token from that response."
            raise errors.InvalidScopeError(description=message, request=request)
        request.refresh_token_instance = successor.row
        has_resource = bool(request.resource)
        self._check_and_set_request_resource(request)
        if has_resource and set(request.resource) != set(access_token.resource):
            raise InvalidTarget(description="The refresh token was just used for another resource.", request=request)
        token.update(successor.as_token_response())

    def _save_bearer_token(self, token: dict[str, Any], request: AnyRequest, *args: Any, **kwargs: Any) -> None:
        replaced = request.refresh_token_instance if request.grant_type == "refresh_token" else None
        if replaced and not RefreshToken.objects.select_for_update().filter(pk=replaced.pk, revoked=None):
            raise AlreadyReplaced(replaced)
        super()._save_bearer_token(token, request, *args, **kwargs)
        if replaced:
            replays.store_successor(replaced, str(request.refresh_token), token)

    def _create_refresh_token(self, request: AnyRequest, code: str, access_token: Any, previous: Any) -> Any:
        """Bind the refresh token to all resources of the grant; the access token may have fewer (RFC 8707 §2.2)."""
        issued = super()._create_refresh_token(request, code, access_token, previous)
        if issued.resource != request.granted_resources:
            issued.resource = request.granted_resources
            issued.save(update_fields=["resource"])
        return issued

    def revoke_token(self, token: str, token_type_hint: str, request: AnyRequest, *args: Any, **kwargs: Any) -> None:
        """Revoke the token, and its replay within the window (RFC 7009 §2.1)."""
        super().revoke_token(token, token_type_hint, request, *args, **kwargs)
        replays.forget_successor(token, request.client)


def is_usable(refresh_token: Any) -> bool:
    """Whether the token and its family have not expired, by age or disuse, and its user may act."""
    if refresh_token.access_token is None:
        return False
    idle = timedelta(seconds=oauth2_settings.REFRESH_TOKEN_EXPIRE_SECONDS)
    if refresh_token.access_token.expires + idle <= timezone.now():
        return False
    return may_act(refresh_token.user) and not token_families.is_over(refresh_token.token_family)
