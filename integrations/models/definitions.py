"""Definitions of configuration templates: settings of one provider as data, with placeholders for answers.

Parsed strictly: `BadDefinition` says in a sentence what is wrong. Fills in answers; creates no rows, makes no requests.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.exceptions import Explained
from foundation.oauth_client import dialects
from integrations.models.registry import ApplicationRegistry, GrantType, OAuthEntityScope, validation

KINDS = ("address", "host", "label", "segment", "text")
ROTATIONS = ("always", "never", "sometimes", "none", "unknown")
REGISTRY = (
    "issuer", "authorization_url", "token_url", "token_revocation_url", "token_introspection_url", "userinfo_url",
    "account_settings_url", "default_grant_type", "refresh_token_lifespan", "pkce_required", "code_challenge_method",
    "refresh_url", "token_parameters", "call_headers", "userinfo_request",
    "send_credentials", "names_issuer", "authorization_parameters", "consent_after_revoke", "scope_separator",
    "scope_parameter", "token_path", "base_url_path", "base_url_hosts", "account_id_path", "account_label_path",
    "revocation_request", "revocation_reach", "provider_profile",
)  # fmt: skip
LINKS = ("console_url",)
OTHERS = ("connection_url", *LINKS, "scopes", "rotation")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1035 section 2.3.4
SPELLINGS = {
    "address": re.compile(r"https?://[^\s/?#@{}]+(/[^\s?#{}]*)?"),
    "host": re.compile(rf"{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?"),
    "label": re.compile(_LABEL),
    "segment": re.compile(r"(?!\.+\Z)[A-Za-z0-9._~-]+"),
    "text": re.compile(r"[^\s{}][^{}\r\n]*"),
}
SAMPLES = {
    "address": "https://sample.example", "host": "sample.example", "label": "sample", "segment": "sample",
    "text": "sample",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z_]*")


class BadDefinition(Explained, ValueError):
    """The definition is not valid. The message is a sentence for the author of the template."""

    message = "The definition can't be understood."


@dataclass(frozen=True, kw_only=True)
class Question:
    """A value that differs between customers of the provider. `kind` decides how an answer is spelled."""

    name: str
    label: str
    kind: str
    default: str = ""
    help: str = ""

    def fits(self, answer: str) -> bool:
        if not SPELLINGS[self.kind].fullmatch(answer):
            return False
        url = {"address": answer, "host": f"https://{answer}"}.get(self.kind)
        return url is None or not validation.wrong_address(url)


@dataclass(frozen=True, kw_only=True)
class OfferedScope:
    scope: str
    name: str
    chosen: bool = False
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A parsed template. `unverified`: fields that the provider's documentation does not confirm."""

    description: str
    registry: Mapping[str, Any]
    connection_url: str
    console_url: str = ""
    questions: tuple[Question, ...] = ()
    scopes: tuple[OfferedScope, ...] = ()
    rotation: str = "unknown"
    notes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = field(default_factory=tuple)

    def registry_fields(self, answers: Mapping[str, str]) -> dict[str, Any]:
        """Fields of the new registry. Placeholders of a revocation request stay: they are filled in at each call."""
        return {name: fill_in(value, answers) for name, value in self.registry.items()}

    def question_in(self, text: str) -> Question | None:
        """The first question whose placeholder is in the text."""
        named = set(_PLACEHOLDER.findall(text))
        return next((question for question in self.questions if question.name in named), None)

    def base(self, answers: Mapping[str, str]) -> str:
        return str(fill_in(self.connection_url, answers))

    def console(self, answers: Mapping[str, str]) -> str:
        """The URL of the provider's console; "" while an answer that it needs is missing."""
        filled = str(fill_in(self.console_url, {name: text for name, text in answers.items() if text}))
        return "" if _PLACEHOLDER.search(filled) else filled


def fill_in(value: Any, answers: Mapping[str, str]) -> Any:
    """Return the value with answers in the places of their questions, at any depth."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: answers.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {name: fill_in(item, answers) for name, item in value.items()}
    return [fill_in(item, answers) for item in value] if isinstance(value, list | tuple) else value


# Reading --------------------------------------------------------------------------------------------------------------


def parse_definition(raw: object) -> Definition:
    """Parse a definition. Raises `BadDefinition` if it is malformed, or could not work once it is filled in."""
    definition = read_definition(raw)
    for message in find_shortcomings(definition):
        raise BadDefinition(message)
    return definition


def read_definition(raw: object) -> Definition:
    """Parse a definition whose values are checked elsewhere. Raises `BadDefinition` if it is malformed."""
    raw_members = parse_members("A template", raw, (*Definition.__dataclass_fields__,))
    for name in ("description", "registry", "connection_url"):
        if not raw_members.get(name):
            raise BadDefinition(_("A template needs “%(name)s”.") % {"name": name})
    return Definition(
        **{
            **raw_members,
            "registry": MappingProxyType(parse_members("“registry”", raw_members["registry"], REGISTRY)),
            "questions": parse_rows("questions", raw_members.get("questions", []), Question),
            "scopes": parse_rows("scopes", raw_members.get("scopes", []), OfferedScope),
            "notes": parse_texts("notes", raw_members.get("notes", [])),
            "unverified": parse_texts("unverified", raw_members.get("unverified", [])),
        }
    )


def parse_members(where: str, raw: object, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise BadDefinition(_("%(where)s must be a set of names and values.") % {"where": where})
    if unknown := sorted(str(name) for name in raw if name not in allowed):
        message = _("%(where)s can’t contain “%(name)s”. It can contain: %(allowed)s.")
        raise BadDefinition(message % {"where": where, "name": unknown[0], "allowed": ", ".join(allowed)})
    return dict(raw)


def parse_rows(where: str, raw: object, kind: type[Any]) -> tuple[Any, ...]:
    """Parse rows of a dataclass. Checks the types of values: `chosen: "no"` would count as true."""
    if not isinstance(raw, list):
        raise BadDefinition(_("“%(where)s” must be a list.") % {"where": where})
    raw_rows = [parse_members(f"“{where}”", raw_row, (*kind.__dataclass_fields__,)) for raw_row in raw]
    for row in raw_rows:
        for name, value in row.items():
            if not isinstance(value, kind.__dataclass_fields__[name].type):
                message = _("“%(name)s” in “%(where)s” has the wrong type.")
                raise BadDefinition(message % {"name": name, "where": where})
    try:
        return tuple(kind(**row) for row in raw_rows)
    except TypeError:
        raise BadDefinition(_("Something is missing in “%(where)s”.") % {"where": where}) from None


def parse_texts(where: str, raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
        raise BadDefinition(_("“%(where)s” must be a list of texts.") % {"where": where})
    return tuple(raw)


def find_shortcomings(definition: Definition) -> Iterator[str]:
    yield from question_shortcomings(definition)
    yield from scope_shortcomings(definition)
    unknown = set(definition.unverified) - set(REGISTRY) - set(OTHERS)
    if unknown or definition.rotation not in ROTATIONS:
        yield _("“unverified” must name fields, and “rotation” must be one of: %(values)s.") % {
            "values": ", ".join(ROTATIONS)
        }
    sample = {question.name: SAMPLES[question.kind] for question in definition.questions}
    yield from filled_shortcomings(definition, sample)


def question_shortcomings(definition: Definition) -> Iterator[str]:
    names = [question.name for question in definition.questions]
    if len(set(names)) < len(names) or set(names) & set(dialects.PLACEHOLDERS):
        yield _("Two questions have the same name, or one has a name that is reserved for a token.")
    for question in definition.questions:
        if question.kind not in KINDS or not _NAME.fullmatch(question.name):
            message = _("The name of question “%(name)s” must be lower-case letters, and its kind one of: %(kinds)s.")
            yield message % {"name": question.name, "kinds": ", ".join(KINDS)}
        elif question.default and not question.fits(question.default):
            yield _("The default of “%(name)s” isn’t a valid answer.") % {"name": question.name}


def scope_shortcomings(definition: Definition) -> Iterator[str]:
    scopes = [offered.scope for offered in definition.scopes]
    if len(set(scopes)) < len(scopes):
        yield _("A scope is named twice.")
    for offered in definition.scopes:
        try:
            OAuthEntityScope(scope=offered.scope, name=offered.name).clean_fields(exclude=["registry"])
        except ValidationError as error:
            yield f"{offered.scope}: {' '.join(error.messages)}"


def filled_shortcomings(definition: Definition, sample: Mapping[str, str]) -> Iterator[str]:
    """Yield what a registry made from the template would be refused for, with a sample answer in each place."""
    registry = ApplicationRegistry(name="sample", client_id="sample", **definition.registry_fields(sample))
    try:
        registry.clean_fields(exclude=["id"])
    except ValidationError as error:
        yield " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        return
    yield from (f"{name}: {message}" for name, message in validation.find_faults(registry))
    if registry.default_grant_type == GrantType.AUTHORIZATION_CODE and not registry.authorization_url:
        yield _("A template needs “%(name)s”.") % {"name": "authorization_url"}
    value_names = registry.readable_profile.kept_values()
    if message := validation.wrong_connection_url(definition.base(sample), value_names):
        yield f"connection_url: {message}"
    addresses = {name: getattr(registry, name) for name in validation.ADDRESSES if name != "token_revocation_url"}
    base = fill_in(definition.base(sample), dict.fromkeys(value_names, "sample"))
    links = {"connection_url": base, "console_url": fill_in(definition.console_url, sample)}
    for name, url in {**addresses, **links}.items():
        if _PLACEHOLDER.search(url) or not re.match(r"(https://[^\s/]|\Z)", url):
            yield _("“%(name)s” isn’t an https:// address, or has a placeholder that no question fills.") % {
                "name": name
            }
