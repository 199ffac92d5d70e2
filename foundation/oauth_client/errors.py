"""The tree of errors that calls to an authorization server raise.

    OAuthError
    |-- Unreachable     no answer, or "try later": keep the tokens, try again (after `retry_after` if it is set)
    |-- Refused         the server rejected this user's grant (RFC 6749 §5.2): the only permanent one
    |-- Misconfigured   our registration, or an address in it, is wrong: blame the registry, leave all tokens alone
    `-- Unusable        an answer came that cannot be understood or trusted
        |-- ClockSkew   the server's clock and ours differ so much that an id token seems not to be valid now
        `-- Unexplained a renewal was refused, and the answer does not say whether our registration is the cause

`code` is an RFC error code, or one of our own short words; `description` is our own sentence, in English; `describe`
gives it in another language. Neither ever holds a body, a token or text that the server chose freely, so both may be
logged and shown. `reason` is the server's own
sentence without secrets (see `error_reasons`): administrators may read it; it is never logged. `fault` says whose fault
it is, for the catalogue of failures.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import ClassVar

from foundation.exceptions import Explained


class Fault(StrEnum):
    """Whose fault a failure is."""

    PERSON = "person"  # has to sign in again, or to agree
    SET_UP = "set_up"  # an administrator has to fix it
    PROVIDER = "provider"  # doesn't answer, or says "try later"
    ANSWER = "answer"  # the provider's answer cannot be understood
    ATTACK = "attack"  # the answer may come from an attacker
    PROGRAM = "program"  # the request of the calling program
    KEYRACK = "keyrack"


class OAuthError(Explained):
    """The base class. `permanent`: trying again with the same grant cannot help this user."""

    message = "The authorization server's answer can't be used."
    permanent: ClassVar[bool] = False
    fault: ClassVar[Fault] = Fault.ANSWER
    status = 0  # of the HTTP response, if there was one
    fingerprint = ""  # a hash, equal for responses that say the same
    reason = ""
    meaning = ""  # of the rule that decided (`provider_profile.Meaning`), if one did
    for_programs = ""  # our own sentence, if it says more than that of the fault; in English
    is_ambiguous = False  # a wrong registration would have been answered in the same way
    claims = ""  # that the next authorization request must carry (a claims challenge)
    parts: Mapping[str, "OAuthError"] = {}  # of a summary: the error of each place

    def __init__(self, code: str = "", description: str = "", **values: object) -> None:
        """The values replace %(name)s in the description. One of them may be an error: it is described."""
        self.code = code
        self.sentence, self.values = description, values
        super().__init__(code, self.description)

    @property
    def description(self) -> str:
        return self.describe() if self.sentence or self.parts else ""

    def describe(self, translate: Callable[[str], str] = str) -> str:
        """The description, else the code, with each sentence translated."""
        if self.parts:
            return "; ".join(f"{place}: {error.describe(translate)}" for place, error in self.parts.items())
        sentence = translate(self.sentence) if self.sentence else self.code
        values = {
            name: value.describe(translate) if isinstance(value, OAuthError) else value
            for name, value in self.values.items()
        }
        return sentence % values if values else sentence

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.description) if part) or self.message


class Unreachable(OAuthError):
    """Transient. `retry_after`: seconds to wait according to the server, if it said so."""

    message = "The authorization server doesn't answer. Try again later."
    fault = Fault.PROVIDER

    def __init__(
        self, code: str = "", description: str = "", *, retry_after: float | None = None, **values: object
    ) -> None:
        super().__init__(code, description, **values)
        self.retry_after = retry_after


class Refused(OAuthError):
    message = "The authorization server refuses this person's grant: they must sign in again."
    permanent = True
    fault = Fault.PERSON


class Misconfigured(OAuthError):
    message = "The set-up is wrong: an administrator must fix it."
    fault = Fault.SET_UP


class Unusable(OAuthError):
    pass


class ClockSkew(Unusable):
    """`seconds`: how far the server's clock is ahead of ours; negative if it is behind."""

    def __init__(self, seconds: float) -> None:
        minutes, side = round(abs(seconds) / 60), "ahead" if seconds > 0 else "behind"
        super().__init__(f"provider_clock_{side}_{minutes}_minutes", f"the clocks differ by {minutes} minutes")


class Unexplained(Unusable):
    """Never final by itself: an empty 400, a 403, `invalid_request`, an unknown error code."""
