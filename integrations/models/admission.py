"""Who may use which integration, and if not, why. Decided here and nowhere else.

Each rule is a condition in the database and the explanation of its refusal. `admitted` filters by all of them;
`verdicts` asks the same conditions one by one, in the same order. The first that does not hold decides.

A rule is about one row: the person, the credential that the alias authenticates with, or the alias itself, which also
knows the person as `OuterRef("person_id")`. To add a rule is to add it to `RULES`: every page, API, flow and table
asks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AnonymousUser, Permission
from django.db.models import BigIntegerField, Exists, OuterRef, Q, Value
from django.utils.translation import gettext_lazy as _

from accounts import scopes
from accounts.models import User
from integrations.models.registry import EFFECTIVE_CREDENTIAL, Alias, AliasQuerySet, OAuth2Credential

ROLE = "integrations.personal_auth_user"
DEACTIVATED = "deactivated"  # such a person is nobody to the API

Person = User | AnonymousUser


class About(StrEnum):
    """Whose row a rule's condition is read from."""

    PERSON = "person"
    ALIAS = "alias"
    CREDENTIAL = "credential"


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """`condition`: holds for those rows of the model that the rule is about, for which it lets the person pass.

    `hides`: if it refuses, the integration is not shown at all; otherwise whoever has signed in sees it turned off.
    """

    code: str
    about: About
    condition: Callable[[], Q]  # called when a query is made: the models must be loaded
    title: Any  # what holds, as a heading
    refusal: Any  # what does not, as a sentence
    hides: bool = True

    @property
    def status(self) -> int:
        """The HTTP status that a program is answered. An integration that is not the person's looks like none."""
        if self.code == DEACTIVATED:
            return 401
        return 403 if self.about == About.PERSON else 404


def _role() -> Q:
    """The permission in the database, of the user or of one of their groups; superusers have every permission."""
    app_label, _dot, codename = ROLE.partition(".")
    role = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    by_group = role.filter(group__user=OuterRef("pk"))
    by_user = role.filter(user=OuterRef("pk"))
    return Q(is_superuser=True) | Q(Exists(by_user)) | Q(Exists(by_group))


def _shared() -> Q:
    """The alias names no group, or one of the person's."""
    groups = Alias.groups.through.objects.filter(alias=OuterRef("pk"))
    memberships = User.groups.through.objects.filter(user_id=OuterRef(OuterRef("person_id"))).values("group_id")
    return ~Q(Exists(groups)) | Q(Exists(groups.filter(group_id__in=memberships)))


RULES: list[Rule] = [
    Rule(
        code=DEACTIVATED,
        about=About.PERSON,
        condition=lambda: Q(is_active=True),
        title=_("The account is active"),
        refusal=_("The account is deactivated."),
    ),
    Rule(
        code="no_role",
        about=About.PERSON,
        condition=_role,
        title=_("Has the role Personal Auth User"),
        refusal=_("The person doesn’t have the permission “Personal authentication: use the dashboard”."),
    ),
    Rule(
        code="alias_off",
        about=About.ALIAS,
        condition=lambda: Q(active=True),
        title=_("The alias is active"),
        refusal=_("The alias is turned off."),
        hides=False,
    ),
    Rule(
        code="credential_off",
        about=About.CREDENTIAL,
        condition=lambda: Q(active=True),
        title=_("The credential is active"),
        refusal=_("The OAuth 2.0 Credential is turned off."),
        hides=False,
    ),
    Rule(
        code="registry_off",
        about=About.CREDENTIAL,
        condition=lambda: Q(profile__registry__active=True),
        title=_("The Application Registry is active"),
        refusal=_("The Application Registry is turned off."),
        hides=False,
    ),
    Rule(
        code="not_shared",
        about=About.ALIAS,
        condition=_shared,
        title=_("Is in a group that may use it"),
        refusal=_("Only members of certain groups may use it, and the person is in none of them."),
    ),
]


def refused_person(person: Person) -> Rule | None:
    """The first rule about the person alone that refuses them, whichever integration it is. One statement."""
    rules = [rule for rule in RULES if rule.about == About.PERSON]
    if person.pk is None:
        return rules[0]
    row = User.objects.filter(pk=person.pk).annotate(**{rule.code: rule.condition() for rule in rules}).first()
    return next((rule for rule in rules if row is None or not getattr(row, rule.code)), None)


def may_use_any(person_id: Any) -> Q:
    """The same as a condition of a query about other rows."""
    conditions = [rule.condition() for rule in RULES if rule.about == About.PERSON]
    return Q(Exists(User.objects.filter(*conditions, pk=person_id)))


def admitted(person_id: Any, aliases: AliasQuerySet | None = None) -> AliasQuerySet:
    """Of these aliases (of all, if None), those that the person may use now.

    `person_id`: the id of a user, None for nobody, or an expression for it.
    """
    return _passing(person_id, aliases, RULES)


def shown(person_id: Any, aliases: AliasQuerySet | None = None) -> AliasQuerySet:
    """The same, and those that are turned off at present."""
    return _passing(person_id, aliases, [rule for rule in RULES if rule.hides])


def with_switches(aliases: AliasQuerySet) -> AliasQuerySet:
    """Each with `is_on`: whether all rules pass that do not hide it, which are the switches of administrators."""
    switches = [rule for rule in RULES if not rule.hides]
    return _with_credential(aliases).annotate(is_on=_all_hold(switches))  # type: ignore[no-redef]  # declared there for readers


def turned_on(aliases: AliasQuerySet) -> AliasQuerySet:
    """Those that are on, for calls of the system, which no person makes."""
    return with_switches(aliases).filter(is_on=True)  # type: ignore[misc]  # annotated


def is_on(credential: OAuth2Credential) -> bool:
    """Whether the rules about credentials pass: it can be signed in with, by whoever may."""
    conditions = [rule.condition() for rule in RULES if rule.about == About.CREDENTIAL]
    return OAuth2Credential.objects.filter(*conditions, pk=credential.pk).exists()


def verdicts(person_id: Any, alias: Alias) -> list[tuple[Rule, bool]]:
    """Every rule, and whether it lets this person pass to this alias. One statement."""
    rows = _pairs(person_id, Alias.objects.filter(pk=alias.pk))
    row = rows.annotate(**{f"passes_{rule.code}": _holds([rule], rule.about) for rule in RULES}).get()
    return [(rule, getattr(row, f"passes_{rule.code}")) for rule in RULES]


def scopes_of(user: User, wanted: Iterable[str] | None = None) -> dict[str, Any]:
    """The scopes that this person may give to a program, with their words: none without the role."""
    if refused_person(user):
        return {}
    aliases = Alias.objects.all()
    if wanted is not None:
        names = [scope.removeprefix("service:") for scope in wanted if scope.startswith("service:")]
        aliases = aliases.filter(name__in=names)
    return {**scopes.FIXED, **shown(user.pk, aliases).as_scopes()}


def _passing(person_id: Any, aliases: AliasQuerySet | None, rules: Sequence[Rule]) -> AliasQuerySet:
    pairs = _pairs(person_id, Alias.objects.all() if aliases is None else aliases)
    return pairs.filter(_all_hold(rules))


def _pairs(person_id: Any, aliases: AliasQuerySet) -> AliasQuerySet:
    person = person_id if hasattr(person_id, "resolve_expression") else Value(person_id, BigIntegerField())
    return _with_credential(aliases).annotate(person_id=person)


def _with_credential(aliases: AliasQuerySet) -> AliasQuerySet:
    return aliases.complete().annotate(effective_id=EFFECTIVE_CREDENTIAL)


def _all_hold(rules: Sequence[Rule]) -> Q:
    """One subquery for each kind of row, however many rules there are."""
    condition = Q()
    for about in About:
        condition &= _holds(rules, about)
    return condition


def _holds(rules: Sequence[Rule], about: About) -> Q:
    """On rows of `_pairs`: that all of these rules hold which are about this kind of row."""
    match [rule.condition() for rule in rules if rule.about == about], about:
        case [], _:
            return Q()
        case conditions, About.PERSON:
            return Q(Exists(User.objects.filter(*conditions, pk=OuterRef("person_id"))))
        case conditions, About.CREDENTIAL:
            return Q(Exists(OAuth2Credential.objects.filter(*conditions, pk=OuterRef("effective_id"))))
        case conditions, _:
            return Q(*conditions)
