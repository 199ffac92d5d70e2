"""Password validator that ends API access when a password changes.

Django calls `password_changed` of its validators after each change of a password, but not when it rehashes one.
"""

from accounts.models import User
from accounts.oauth_server import validator
from accounts.sign_in import middleware


class EndGrantsOnPasswordChange:
    """Ends grants and known devices: whoever knew the old password may have created them (RFC 9700 §4.14.2)."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Accept every password."""

    def get_help_text(self) -> str:
        return ""

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None and user.pk:
            validator.end_grants(user)
            middleware.forget_devices(user)
