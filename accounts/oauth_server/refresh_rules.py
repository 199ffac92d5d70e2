"""Which refresh tokens are accepted, and what happens to a family when one comes twice. Part of the validator."""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone
from oauth2_provider.models import get_refresh_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2.rfc6749 import errors

from accounts import token_families
from accounts.models import User
from accounts.oauth_server import code_replay, refresh_replays
from accounts.oauth_server.models import Application
from accounts.oauth_server.request_rules import AnyRequest, InvalidTarget
from foundation.secrets_at_rest import Unreadable

RefreshToken = get_refresh_token_model()


class Overtaken(Exception):
    """Between being looked at and being replaced, a refresh token was replaced for somebody else."""

    def __init__(self, refresh_token: Any) -> None:
        super().__init__()
        self.refresh_token = refresh_token


class RefreshRules(OAuth2Validator):
    """Of a subclass it needs `note_reuse`, which writes the diary."""

    def note_reuse(self, refresh_token: Any, request: AnyRequest) -> None:
        raise NotImplementedError

    def validate_refresh_token(
        self, refresh_token: str, client: Application, request: AnyRequest, *args: Any, **kwargs: Any
    ) -> bool:
        """Not the toolkit's: that one ends the family before anybody can ask whether this is a repeat."""
        rows = RefreshToken.objects.filter(token_checksum=code_replay.digest(refresh_token))
        shown = rows.select_related("access_token", "user").order_by(F("revoked").desc(nulls_first=True)).first()
        if shown is None:
            return False
        request.refresh_token = refresh_token
        successor = self.find_successor(shown, request) if shown.revoked is not None else None
        request.user = shown.user
        request.refresh_token_instance = successor.row if successor else shown
        request.refresh_successor = successor
        return shown.application_id == client.pk and is_usable(request.refresh_token_instance)

    def find_successor(self, shown: Any, request: AnyRequest) -> refresh_replays.Successor:
        """What replaced it a moment ago; else the family ends, and this raises InvalidGrantError."""
        try:
            successor = refresh_replays.find_successor(request.refresh_token, request.client)
        except Unreadable:  # a key is not set in this process: the program did nothing wrong
            raise errors.InvalidGrantError(request=request) from None
        if successor is None:
            was_alive = RefreshToken.objects.filter(token_family=shown.token_family, revoked=None).exists()
            token_families.end(shown.token_family)
            for reused in token_families.superseded(shown.token_checksum) if was_alive else ():
                self.note_reuse(reused, request)
            raise errors.InvalidGrantError(request=request)
        return successor

    def save_bearer_token(self, token: dict[str, Any], request: AnyRequest, *args: Any, **kwargs: Any) -> None:
        """Of two who come at once with one refresh token, the second gets what the first got."""
        if request.grant_type != "refresh_token":
            super().save_bearer_token(token, request, *args, **kwargs)
        elif request.refresh_successor:
            self.give_again(request.refresh_successor, token, request)
        else:
            try:
                super().save_bearer_token(token, request, *args, **kwargs)
            except Overtaken as error:
                self.give_again(self.find_successor(error.refresh_token, request), token, request)

    def give_again(self, successor: refresh_replays.Successor, token: dict[str, Any], request: AnyRequest) -> None:
        """Puts the successor's tokens into the answer, unless this request asked for less than they allow."""
        given = successor.row.access_token
        if not set(given.scope.split()) <= set(request.scopes or ()):
            told = "The refresh token was just used for more scopes. Ask with the refresh token that this gave."
            raise errors.InvalidScopeError(description=told, request=request)
        request.refresh_token_instance = successor.row
        named = bool(request.resource)
        self._check_and_set_request_resource(request)
        if named and set(request.resource) != set(given.resource):
            raise InvalidTarget(description="The refresh token was just used for another resource.", request=request)
        token.update(successor.as_token_response())

    def _save_bearer_token(self, token: dict[str, Any], request: AnyRequest, *args: Any, **kwargs: Any) -> None:
        shown = request.refresh_token_instance if request.grant_type == "refresh_token" else None
        if shown and not RefreshToken.objects.select_for_update().filter(pk=shown.pk, revoked=None):
            raise Overtaken(shown)
        super()._save_bearer_token(token, request, *args, **kwargs)
        if shown:
            refresh_replays.store(shown, str(request.refresh_token), token)

    def _create_refresh_token(self, request: AnyRequest, code: str, access_token: Any, previous: Any) -> Any:
        """Bound to all resources of the grant: those of this access token may be fewer (RFC 8707 §2.2)."""
        issued = super()._create_refresh_token(request, code, access_token, previous)
        if issued.resource != request.granted_resources:
            issued.resource = request.granted_resources
            issued.save(update_fields=["resource"])
        return issued

    def revoke_token(self, token: str, token_type_hint: str, request: AnyRequest, *args: Any, **kwargs: Any) -> None:
        """What a client revokes cannot be used again, within the window either (RFC 7009 §2.1)."""
        super().revoke_token(token, token_type_hint, request, *args, **kwargs)
        refresh_replays.forget(token, request.client)


def is_usable(refresh_token: Any) -> bool:
    """Whether it is neither too old nor too long unused, and its person may still be acted for."""
    if refresh_token.access_token is None:
        return False
    idle = timedelta(seconds=oauth2_settings.REFRESH_TOKEN_EXPIRE_SECONDS)
    if refresh_token.access_token.expires + idle <= timezone.now():
        return False
    return is_active(refresh_token.user) and not token_families.is_over(refresh_token.token_family)


def is_active(user: User | None) -> bool:
    """Nobody stands behind a client's own token; a person must be there still."""
    return user is None or User.objects.filter(pk=user.pk, is_active=True).exists()
