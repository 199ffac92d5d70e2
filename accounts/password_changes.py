"""What a new password changes. Django calls its password validators after each true change, and after no re-hashing."""

from accounts.models import User
from accounts.oauth_server import validator
from accounts.sign_in import known_devices


class EndsWhatProgramsHold:
    """Whoever had the old password may have let a program in with it (RFC 9700 §4.14.2)."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Any password will do, as far as this goes."""

    def get_help_text(self) -> str:
        return ""

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None and user.pk:
            validator.end_all(user)
            known_devices.forget_devices(user)
