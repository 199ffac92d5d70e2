"""Read a provider profile strictly: the types by msgspec, and then what is well-formed and cannot work."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from foundation.exceptions import Explained
from foundation.oauth_client.provider_profile.format import STANDARD, ProviderProfile
from foundation.oauth_client.provider_profile.rule_format import Rule, texts

LONGEST_PATTERN = 300
LONGEST_LIMIT = 2 * 86_400  # seconds, for which successful renewals are in the journal
OURS = ("state", "code_challenge", "code_challenge_method", "nonce", "request", "request_uri")  # never overridden
VALUE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
RESERVED_VALUES = frozenset(
    {
        "client_id",
        "client_secret",
        "access_token",
        "refresh_token",
        "token",
        "account_id",
        "code",
        "redirect_uri",
        "state",
        "access_token_hmac",
    }
)


class BadProfile(Explained, ValueError):
    """An invalid profile. The message is a sentence for the administrator, and quotes names, never values."""

    message = "The provider profile can't be understood."


def parse_profile(raw: object) -> ProviderProfile:
    """Read a profile strictly; {} is the standard. Raises `BadProfile`."""
    if not isinstance(raw, Mapping):
        raise BadProfile('A provider profile is a JSON object, such as {"callback": {"posted": true}}.')
    if not raw:
        return STANDARD
    try:
        profile = convert_profile(raw)
    except msgspec.ValidationError as error:
        raise BadProfile(_sentence(str(error))) from None
    except UnicodeEncodeError:
        raise BadProfile("A provider profile can’t contain half of a surrogate pair.") from None
    for fault in find_faults(profile):
        raise BadProfile(fault)
    return profile


def convert_profile(raw: Mapping[str, Any]) -> ProviderProfile:
    """Read a profile without `find_faults`, which compiles every pattern. For rules of the code, which a test checks.

    Raises msgspec.ValidationError.
    """
    return msgspec.convert(raw, type=ProviderProfile, strict=True)


def find_faults(profile: ProviderProfile) -> Iterator[str]:
    """Yield a sentence for each part that is well-formed and cannot work."""
    for pattern in _values_of(profile, ("matches", "pattern")):
        yield from _pattern_faults(pattern)
    for pointer in _pointers(profile):
        if pointer and not pointer.startswith("/"):
            yield f"“{pointer}” isn’t a JSON pointer, which begins with a slash: /error/code."
    for rule in profile.rules:
        yield from _rule_faults(rule)
    for names in (profile.authorization.names, profile.authorization.parameters, profile.token_request.names):
        if ours := sorted(set(names) & set(OURS)):
            yield f"Keyrack sets this itself: {', '.join(ours)}."
    if profile.limits.seconds > LONGEST_LIMIT:
        yield "Renewals are counted for two days at most (172800 seconds)."
    if min(profile.limits.ahead_at_once, profile.limits.ahead_per_second) < 1:
        yield "At least one renewal ahead has to be possible at once, and one per second."
    yield from _paging_faults(profile)
    if profile.callback.signature and not profile.callback.signature.parameter:
        yield "The signature of a callback needs the name of its parameter."
    if unknown := sorted(set(profile.value_maps) - profile.kept_values() - {profile.callback.token_host}):
        yield f"There is a map for “{unknown[0]}”, which isn’t a kept value."
    for name in profile.kept_values():
        if not VALUE_NAME.fullmatch(name) or name in RESERVED_VALUES:
            yield f"“{name}” can’t be the name of a kept value."
    for url in profile.addresses():
        if not url.startswith("https://") and not url.startswith("http://"):
            yield f"“{url}” isn’t an address."
        elif set("{}") & set("".join(url.split("/")[:3])):
            yield f"“{url}” has a placeholder before its path, which would let it lead anywhere."


def _pointers(profile: ProviderProfile) -> Iterator[str]:
    answer = profile.token_answer
    fields = ("at", "more", "rows", "next", "value", "label", "members", "refresh")
    yield from (pointer for pointer in _values_of(profile, fields) if isinstance(pointer, str))
    yield from (*texts(profile.error.code), *texts(profile.error.text), *answer.keep.values())


def _paging_faults(profile: ProviderProfile) -> Iterator[str]:
    paging = profile.paging
    if paging and paging.style == "last_row" and not (paging.parameter and paging.next):
        yield "Paging by the last row needs “next”, a pointer into a row, and “parameter”."
    if paging and paging.next_header and paging.style not in {"next_url", "cursor"}:
        yield "“next_header” is for the styles next_url and cursor."


def _rule_faults(rule: Rule) -> Iterator[str]:
    if not rule.when and rule.status == ():
        yield f"A rule that means “{rule.means}” has neither a status nor a condition, and would always apply."
    if rule.ambiguous and rule.means != "sign_in_over":
        yield "Only a rule that means “sign_in_over” can be ambiguous."
    for condition in rule.when:
        if sum((bool(condition.at), bool(condition.header), condition.text)) != 1:
            yield "A condition looks at one thing: “at”, “header” or “text”."
        if condition.text and not condition.matches:
            yield "A condition on the whole text needs “matches”."


def _pattern_faults(pattern: object) -> Iterator[str]:
    if not isinstance(pattern, str):
        return
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        yield f"“{pattern}” isn’t a regular expression."
    if len(pattern) > LONGEST_PATTERN:
        yield f"A pattern has at most {LONGEST_PATTERN} characters."


def _values_of(part: object, names: tuple[str, ...]) -> Iterator[object]:
    """The texts of these fields, at any depth of the profile."""
    if isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if name in names:
                yield from _flatten(value)
            yield from _values_of(value, names)
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _values_of(value, names)
    elif isinstance(part, tuple):
        for value in part:
            yield from _values_of(value, names)


def _flatten(value: Any) -> Iterator[object]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _flatten(each)
    elif isinstance(value, tuple):
        yield from value
    elif not isinstance(value, msgspec.Struct):
        yield value


def _sentence(message: str) -> str:
    """msgspec's message, with the place in words: “Expected `str`, got `int`, in rules[0].status.”"""
    what, _, place = message.partition(" - at `$")
    where = place.rstrip("`").removeprefix(".")
    return f"{what}, in {where}." if where else f"{what}."
