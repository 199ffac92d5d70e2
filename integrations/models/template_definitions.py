"""What a configuration template says: one provider's ways, as data, with questions in the places that vary.

Read strictly, and refused with a sentence that says what is wrong. Fills in; makes no rows and asks no server.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.oauth_client import revocation_requests
from integrations.models.registry import ApplicationRegistry, GrantType, OAuthEntityScope, validation

KINDS = ("address", "host", "label", "segment", "text")
ROTATIONS = ("always", "never", "sometimes", "none", "unknown")
REGISTRY = (
    "issuer", "authorization_url", "token_url", "token_revocation_url", "token_introspection_url", "userinfo_url",
    "account_settings_url", "default_grant_type", "refresh_token_lifespan", "pkce_required", "code_challenge_method",
    "refresh_url", "token_parameters", "call_headers", "userinfo_request",
    "send_credentials", "names_issuer", "authorization_parameters", "consent_after_revoke", "scope_separator",
    "scope_parameter", "token_path", "base_url_path", "base_url_hosts", "account_id_path", "account_label_path",
    "revocation_request", "revocation_reach",
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
_PLACE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z_]*")


class BadDefinition(ValueError):
    """What is wrong, as a sentence for whoever writes the template."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What varies from one customer of the provider to the next. `kind` says how an answer is spelled."""

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
    """`unverified` names what no page of the provider has confirmed."""

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
        """What the new registry holds. Placeholders of a revocation request stay: they are filled in at each call."""
        return {name: answered(value, answers) for name, value in self.registry.items()}

    def question_in(self, text: str) -> Question | None:
        """The first whose answer stands in it."""
        named = set(_PLACE.findall(text))
        return next((question for question in self.questions if question.name in named), None)

    def base(self, answers: Mapping[str, str]) -> str:
        return str(answered(self.connection_url, answers))

    def console(self, answers: Mapping[str, str]) -> str:
        """ "" as long as it leads nowhere without an answer that is missing."""
        filled = str(answered(self.console_url, {name: text for name, text in answers.items() if text}))
        return "" if _PLACE.search(filled) else filled


def answered(value: Any, answers: Mapping[str, str]) -> Any:
    """The same with answers in the places of their questions, however deep."""
    if isinstance(value, str):
        return _PLACE.sub(lambda found: answers.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {name: answered(inner, answers) for name, inner in value.items()}
    return [answered(inner, answers) for inner in value] if isinstance(value, list | tuple) else value


# Reading --------------------------------------------------------------------------------------------------------------


def read(raw: object) -> Definition:
    """`BadDefinition` for what is not one, or what could not work once it is filled in."""
    found = members("A template", raw, (*Definition.__dataclass_fields__,))
    for name in ("description", "registry", "connection_url"):
        if not found.get(name):
            raise BadDefinition(_("A template needs “%(name)s”.") % {"name": name})
    definition = Definition(
        **{
            **found,
            "registry": MappingProxyType(members("“registry”", found["registry"], REGISTRY)),
            "questions": rows("questions", found.get("questions", []), Question),
            "scopes": rows("scopes", found.get("scopes", []), OfferedScope),
            "notes": words("notes", found.get("notes", [])),
            "unverified": words("unverified", found.get("unverified", [])),
        }
    )
    for wrong in shortcomings(definition):
        raise BadDefinition(wrong)
    return definition


def members(where: str, raw: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise BadDefinition(_("%(where)s is a set of names and values.") % {"where": where})
    if unknown := sorted(str(name) for name in raw if name not in known):
        told = _("%(where)s does not know “%(name)s”; it has %(known)s.")
        raise BadDefinition(told % {"where": where, "name": unknown[0], "known": ", ".join(known)})
    return dict(raw)


def rows(where: str, raw: object, kind: type[Any]) -> tuple[Any, ...]:
    """Each value of the type that the field has, so that `chosen: "no"` is no yes."""
    if not isinstance(raw, list):
        raise BadDefinition(_("“%(where)s” is a list.") % {"where": where})
    found = [members(f"“{where}”", each, (*kind.__dataclass_fields__,)) for each in raw]
    for row in found:
        for name, value in row.items():
            if not isinstance(value, kind.__dataclass_fields__[name].type):
                told = _("“%(name)s” in “%(where)s” is of the wrong type.")
                raise BadDefinition(told % {"name": name, "where": where})
    try:
        return tuple(kind(**row) for row in found)
    except TypeError:
        raise BadDefinition(_("Something is missing in “%(where)s”.") % {"where": where}) from None


def words(where: str, raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
        raise BadDefinition(_("“%(where)s” is a list of texts.") % {"where": where})
    return tuple(raw)


def shortcomings(definition: Definition) -> Iterator[str]:
    yield from question_shortcomings(definition)
    yield from scope_shortcomings(definition)
    unknown = set(definition.unverified) - set(REGISTRY) - set(OTHERS)
    if unknown or definition.rotation not in ROTATIONS:
        yield _("“unverified” names fields, and “rotation” is one of %(known)s.") % {"known": ", ".join(ROTATIONS)}
    sample = {question.name: SAMPLES[question.kind] for question in definition.questions}
    yield from filled_shortcomings(definition, sample)


def question_shortcomings(definition: Definition) -> Iterator[str]:
    names = [question.name for question in definition.questions]
    if len(set(names)) < len(names) or set(names) & set(revocation_requests.PLACEHOLDERS):
        yield _("Two questions have the same name, or one that stands for a token.")
    for question in definition.questions:
        if question.kind not in KINDS or not _NAME.fullmatch(question.name):
            told = _("The question “%(name)s” needs small letters for a name, and a kind: %(known)s.")
            yield told % {"name": question.name, "known": ", ".join(KINDS)}
        elif question.default and not question.fits(question.default):
            yield _("The default of “%(name)s” is not what it asks for.") % {"name": question.name}


def scope_shortcomings(definition: Definition) -> Iterator[str]:
    known = [offered.scope for offered in definition.scopes]
    if len(set(known)) < len(known):
        yield _("A scope is named twice.")
    for offered in definition.scopes:
        try:
            OAuthEntityScope(scope=offered.scope, name=offered.name).clean_fields(exclude=["registry"])
        except ValidationError as error:
            yield f"{offered.scope}: {' '.join(error.messages)}"


def filled_shortcomings(definition: Definition, sample: Mapping[str, str]) -> Iterator[str]:
    """What a row made from it would be refused for. A made-up answer stands in each place."""
    registry = ApplicationRegistry(name="sample", client_id="sample", **definition.registry_fields(sample))
    try:
        registry.clean_fields(exclude=["id"])
    except ValidationError as error:
        yield " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        return
    yield from (f"{name}: {wrong}" for name, wrong in validation.faults(registry))
    if registry.default_grant_type == GrantType.AUTHORIZATION_CODE and not registry.authorization_url:
        yield _("A template needs “%(name)s”.") % {"name": "authorization_url"}
    if wrong := validation.wrong_address(definition.base(sample)):
        yield f"connection_url: {wrong}"
    addresses = {name: getattr(registry, name) for name in validation.ADDRESSES if name != "token_revocation_url"}
    links = {"connection_url": definition.base(sample), "console_url": answered(definition.console_url, sample)}
    for name, url in {**addresses, **links}.items():
        if _PLACE.search(url) or not re.match(r"(https://[^\s/]|\Z)", url):
            yield _("“%(name)s” is no https:// address, or has a place that no question fills.") % {"name": name}
