"""Everything that can go wrong between us and an authorization server, as one tree.

    OAuthError
    |-- Unreachable     nobody answered, or asked for patience: keep the tokens, try again (after `retry_after` if told)
    |-- Refused         the server said no to this user's grant (RFC 6749 section 5.2): the only permanent one
    |-- Misconfigured   our registration, or an address in it, is wrong: blame the registry, touch nobody's tokens
    `-- Unusable        an answer came that cannot be understood or trusted

`code` is an RFC error code, or one of our own short words; `description` is our own sentence. Neither ever holds a
body, a token or a word that the server chose freely, so both may be logged and shown.
"""

from typing import ClassVar


class OAuthError(Exception):
    """What callers catch. `permanent` means: asking again with the same grant cannot help this user."""

    permanent: ClassVar[bool] = False
    status = 0  # of the HTTP answer that it stands for, if there was one

    def __init__(self, code: str = "", description: str = "") -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.description) if part)


class Unreachable(OAuthError):
    """Transient. `retry_after` is the server's own wish in seconds, if it uttered one."""

    def __init__(self, code: str = "", description: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(code, description)
        self.retry_after = retry_after


class Refused(OAuthError):
    permanent = True


class Misconfigured(OAuthError):
    pass


class Unusable(OAuthError):
    pass
