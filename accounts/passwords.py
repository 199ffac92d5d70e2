"""What a new password changes. Django calls its password validators after each true change, and after no re-hashing."""

from accounts import known_devices, oauth_server
from accounts.models import User


class EndsWhatProgramsHold:
    """Whoever had the old password may have let a program in with it (RFC 9700 §4.14.2)."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Any password will do, as far as this goes."""

    def get_help_text(self) -> str:
        return ""

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None and user.pk:
            oauth_server.end_all(user)
            known_devices.forget_devices(user)
