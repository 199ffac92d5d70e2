"""django-oauth-toolkit's validator, with what its defaults leave open and with each client's own token shape.

The token and the revocation view run it inside one IMMEDIATE transaction, so no two of its calls overlap.
"""

from typing import Any, TypeAlias

from oauth2_provider.models import Grant
from oauth2_provider.oauth2_validators import OAuth2Validator

from demo.provider import ledger

# oauthlib hangs whatever a grant needs on its request object.
Request: TypeAlias = Any


class Validator(OAuth2Validator):
    """Ask the client's profile where the defaults would treat all alike; ask whether the person is still active."""

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: object, **kwargs: object) -> None:
        """Store the tokens and write them into the ledger. `token` is what the client gets, so it is cut here."""
        if not request.client.profile.issues_refresh_token:
            token.pop("refresh_token", None)
        super().save_bearer_token(token, request, *args, **kwargs)
        ledger.write(
            access_token=token["access_token"],
            refresh_token=token.get("refresh_token") or "",
            code=(request.code or "") if request.grant_type == "authorization_code" else "",
        )

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Refuse a code of a deactivated person; a code that comes twice takes its tokens with it."""
        if not Grant.objects.filter(code=code, application=client).exists():
            ledger.end_what_came_of(code, client)
            return False
        valid = super().validate_code(client_id, code, client, request, *args, **kwargs)
        return bool(valid and request.user.is_active)

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Request, *args: object, **kwargs: object
    ) -> bool:
        """Refuse the refresh token of a deactivated person."""
        valid = super().validate_refresh_token(refresh_token, client, request, *args, **kwargs)
        return bool(valid and request.user.is_active)

    def validate_bearer_token(self, token: str, scopes: list[str], request: Request) -> bool:
        """Refuse the access token of a deactivated person."""
        return bool(super().validate_bearer_token(token, scopes, request) and request.user.is_active)

    def validate_silent_login(self, request: Request) -> bool:
        """Let `prompt=none` pass validation: the view answers it, oauthlib's default would raise."""
        return True

    def validate_silent_authorization(self, request: Request) -> bool:
        """Let `prompt=none` pass validation, see above."""
        return True

    def get_additional_claims(self, request: Request) -> dict[str, object]:
        """Say who it is, as far as the scopes allow."""
        return {
            "name": request.user.get_full_name(),
            "preferred_username": request.user.get_username(),
            "email": request.user.email,
            "email_verified": True,
        }
