"""Errors in an authorization response (RFC 6749 §4.1.2.1), as providers spell them: code, meaning and reason.

A provider's own rules for the callback come first, then those for any provider, then the codes of the standards. The
parameters come by way of a browser, so nothing here is proof of anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from foundation.oauth_client import (
    default_callback_rules,
    error_codes,
    error_documents,
    error_reasons,
    json_pointers,
)
from foundation.oauth_client.error_answers import names_error, rule_for
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile, Reply, texts
from integrations.models.registry import ApplicationRegistry

LONGEST_CODE = 100
# Of a response to somebody who began at the provider: with a code for them, after an installation, after consenting for
# others, or to begin a sign-in (OpenID Connect Core §4).
BEGUN_THERE = (
    "/code", "/auth_code", "/installation_id", "/install_id", "/setup_action", "/admin_consent", "/shop", "/iss",
    "/login_hint", "/target_link_uri",
)  # fmt: skip
NUMBERS = ("/error_code", "/error_subcode", "/errcode")


@dataclass(frozen=True, kw_only=True)
class CallbackError:
    """What a callback without a usable code says. All three are "" if it says nothing."""

    code: str = ""
    meaning: str = ""  # of the rule that decided, if one did
    reason: str = ""  # the provider's own words without secrets, for administrators

    @property
    def is_ours(self) -> bool:
        """Whether only an administrator can mend it."""
        return self.meaning == "registration_wrong" or (not self.meaning and self.code in error_codes.MISCONFIGURED)


def read_error(registry: ApplicationRegistry, parameters: Mapping[str, str]) -> CallbackError:
    """The error that the parameters of a callback name. Other names than `error` count if there is no code."""
    profile = profile_of(registry)
    has_code = any(parameters.get(name) for name in texts(profile.callback.code))
    if has_code and not names_error(parameters.get("error", "")):
        return CallbackError()
    code = error_code(parameters, profile)
    empty = {name for name in (*texts(profile.callback.code), "error") if not parameters.get(name)}
    document = {name: value for name, value in parameters.items() if name not in empty}
    rule = rule_for(Reply(document=document), "callback", profile)
    meaning = rule.means if rule else ""
    return CallbackError(code=code or meaning, meaning=meaning, reason=reason_of(parameters, profile))


def holds_value_at(parameters: Mapping[str, str], places: tuple[str, ...]) -> bool:
    """Whether a value stands at one of these places, however its name is spelled. Values such as "0" are none."""
    plain = error_documents.spell_plainly({name: value for name, value in parameters.items() if names_error(value)})
    return any(json_pointers.resolve(plain, place) is not None for place in places)


def profile_of(registry: ApplicationRegistry) -> ProviderProfile:
    try:
        return registry.profile
    except Misconfigured:  # reported wherever tokens are requested
        return STANDARD


def error_code(parameters: Mapping[str, str], profile: ProviderProfile) -> str:
    own = (json_pointers.resolve(parameters, pointer) for pointer in texts(profile.error.code))
    plain = error_documents.spell_plainly(dict(parameters))
    common = (json_pointers.resolve(plain, pointer) for pointer in default_callback_rules.CALLBACK_CODES)
    value = str(next(filter(None, (*own, *common)), ""))
    return value[:LONGEST_CODE] if value.isprintable() else "invalid_error"


def reason_of(parameters: Mapping[str, str], profile: ProviderProfile) -> str:
    """The provider's text, and its code numbers if the text lacks them, masked so that administrators may read it."""
    own = (json_pointers.resolve(parameters, place) for place in texts(profile.error.text))
    plain = error_documents.spell_plainly(dict(parameters))
    common = (json_pointers.resolve(plain, place) for place in default_callback_rules.CALLBACK_TEXTS[:-4])
    text = str(next(filter(None, (*own, *common)), ""))
    numbers = (json_pointers.resolve(plain, place) for place in NUMBERS)
    words = error_reasons.add_numbers(text, numbers)
    return error_reasons.mask_secrets(words, (parameters.get(name, "") for name in ("state", "code")))
