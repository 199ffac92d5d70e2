"""The user that ServiceNow's calls act for, and what their exceptions have in common."""

from accounts import current_user
from accounts.models import User


class ScriptError:
    """Adds to an exception the method that ServiceNow's scripts read."""

    def getMessage(self) -> str:
        """Return what happened, in a sentence."""
        return str(self)


class NoSessionUser(ScriptError, current_user.NoCurrentUser):
    """No user is signed in here, and none was passed."""


def session_user(user: User | None) -> User:
    """Return `user`, or the current one. Raises `NoSessionUser`."""
    try:
        return user or current_user.current_user()
    except current_user.NoCurrentUser as error:
        raise NoSessionUser from error
