"""The user that the current request or run is for, for code that is not given one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from foundation.exceptions import Explained

FindUser = Callable[[], User | AnonymousUser | None]

_find_user: ContextVar[FindUser | None] = ContextVar("find_user", default=None)


class NoCurrentUser(Explained):
    """No user is signed in to the current request, the run is the system's, or there is neither a request nor a run."""

    message = "No user is signed in here. Pass user=…, or call this within a request or a run of a signed-in user."


class NotAUser(TypeError):
    """What was passed is no user, but for example a name. `who`: what acts for a user."""

    def __init__(self, passed: object, *, who: str) -> None:
        super().__init__(f"{who} acts for a user, such as request.user, not for a {type(passed).__name__}.")


@contextmanager
def acting_for(find_user: FindUser) -> Iterator[None]:
    """Make `find_user()` the current user inside the block. It is called when the user is needed, not before."""
    before = _find_user.set(find_user)
    try:
        yield
    finally:
        _find_user.reset(before)


def current_user() -> User:
    """Return the user of the innermost `acting_for`. Raises `NoCurrentUser`."""
    find_user = _find_user.get()
    user = find_user() if find_user else None
    if not isinstance(user, User):
        raise NoCurrentUser
    return user
