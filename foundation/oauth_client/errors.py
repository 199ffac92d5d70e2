"""Everything that can go wrong between us and an authorization server, as one tree.

    OAuthError
    |-- Unreachable     nobody answered, or asked for patience: keep the tokens, try again (after `retry_after` if told)
    |-- Refused         the server said no to this user's grant (RFC 6749 section 5.2): the only permanent one
    |-- Misconfigured   our registration, or an address in it, is wrong: blame the registry, touch nobody's tokens
    `-- Unusable        an answer came that cannot be understood or trusted
        |-- ClockSkew   the server's clock and ours differ so much that an id token seems not to be valid now
        `-- Unexplained a renewal was refused, but nothing says whether for the person's grant or for our registration

`code` is an RFC error code, or one of our own short words; `description` is our own sentence. Neither ever holds a
body, a token or a word that the server chose freely, so both may be logged and shown. `reason` is the server's own
sentence without secrets (see `reasons`): for administrators to read, never for a log.
"""

from typing import ClassVar


class OAuthError(Exception):
    """What callers catch. `permanent` means: asking again with the same grant cannot help this user."""

    permanent: ClassVar[bool] = False
    status = 0  # of the HTTP answer that it stands for, if there was one
    fingerprint = ""  # equal for answers that say the same (a hash: no word of theirs is in it)
    reason = ""

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


class ClockSkew(Unusable):
    """`seconds` is by how much the server's clock is ahead of ours; negative where it is behind."""

    def __init__(self, seconds: float) -> None:
        minutes, side = round(abs(seconds) / 60), "ahead" if seconds > 0 else "behind"
        super().__init__(f"provider_clock_{side}_{minutes}_minutes", f"the clocks differ by {minutes} minutes")


class Unexplained(Unusable):
    """Never final by itself: an empty 400, a 403, `invalid_request`, a word that nobody knows."""
