"""Admission: who may use which integration, and if not, why. The only place where this is decided.

Each rule is a database condition with the explanation of its refusal. `filter_admitted` filters by all rules.
`evaluate_rules` evaluates the same conditions one by one, in order. The first that does not hold gives the reason.

A rule is about one row: the person, the credential that the alias authenticates with, or the alias itself, where the
person is `OuterRef("person_id")`. A rule added to `RULES` applies to every page, API, flow and table.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, Value
from django.utils.translation import gettext_lazy as _

from accounts import scopes
from accounts.models import User
from accounts.sign_in import mfa
from foundation.database import CompiledQuery, Slot
from integrations.models.registry import EFFECTIVE_CREDENTIAL, SET_UP, Alias, AliasQuerySet, OAuth2Credential

ROLE = "integrations.personal_auth_user"
DEACTIVATED = "deactivated"  # to the API, a deactivated person is not authenticated

Person = User | AnonymousUser


class About(StrEnum):
    """Model that a rule's condition filters."""

    PERSON = "person"
    ALIAS = "alias"
    CREDENTIAL = "credential"


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One condition of admission.

    `condition`: matches the rows of the rule's model that it admits.
    `hides`: an integration that it refuses is not shown at all; otherwise people with a token see it turned off.
    """

    code: str
    about: About
    condition: Callable[[], Q]  # called to build a query, because the models must be loaded
    title: Any  # the condition, as a heading
    refusal: Any  # why it does not hold, as a sentence
    hides: bool = True

    @property
    def status(self) -> int:
        """HTTP status for programs. An integration that the person may not use looks like a missing one."""
        if self.code == DEACTIVATED:
            return 401
        return 403 if self.about == About.PERSON else 404


def _role() -> Q:
    """The user or one of their groups has the permission; superusers have every permission."""
    app_label, _dot, codename = ROLE.partition(".")
    permission_id, person_id = OuterRef("pk"), OuterRef(OuterRef("pk"))
    by_group = Group.permissions.through.objects.filter(permission=permission_id, group__user=person_id)
    by_user = User.user_permissions.through.objects.filter(permission=permission_id, user=person_id)
    role = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    return Q(is_superuser=True) | Q(Exists(role.filter(Exists(by_group) | Exists(by_user))))


def _shared() -> Q:
    """The alias is restricted to no group, or to one of the person's. Groups don't count while it is tried."""
    return Q(awaits_trial=True) | in_a_group_of(Alias, OuterRef(OuterRef("person_id")))


def in_a_group_of(model: Any, person_id: Any) -> Q:
    """Condition on rows of a model with `groups`: they are restricted to no group, or to one of the person's."""
    groups = model.groups.through.objects.filter(**{model._meta.model_name: OuterRef("pk")})
    memberships = User.groups.through.objects.filter(user_id=person_id).values("group_id")
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
        code="no_second_step",
        about=About.PERSON,
        condition=mfa.is_satisfied,
        title=_("Has two-step sign-in, if it is required"),
        refusal=_("Two-step sign-in is required of this person, who hasn’t set it up yet."),
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
    Rule(
        code="not_tried",
        about=About.ALIAS,
        condition=lambda: Q(awaits_trial=False) | Q(tester_id=F("person_id")),
        title=_("Has worked once, or was turned on without trying"),
        refusal=_("It was just set up. Until it has worked once, only the administrator who tries it sees it."),
    ),
]


def find_refusal(person: Person) -> Rule | None:
    """The first rule about the person that refuses them, for any integration. One statement."""
    rules = tuple(rule for rule in RULES if rule.about == About.PERSON)
    if person.pk is None:
        return rules[0]
    row = passed_by_person(rules).row(id=person.pk)
    return next((rule for place, rule in enumerate(rules) if row is None or not row[place]), None)


@cache
def passed_by_person(rules: tuple[Rule, ...]) -> CompiledQuery:
    """The compiled statement that says for each of these rules whether it admits the person."""
    conditions = {rule.code: rule.condition() for rule in rules}
    rows = User.objects.filter(pk=Slot("id", BigIntegerField())).annotate(**conditions)
    return CompiledQuery(lambda: rows.values_list(*conditions))


def may_use_any(person_id: Any) -> Q:
    """`find_refusal` as a condition for queries about other rows."""
    conditions = [rule.condition() for rule in RULES if rule.about == About.PERSON]
    return Q(Exists(User.objects.filter(*conditions, pk=person_id)))


def filter_admitted(person_id: Any, aliases: AliasQuerySet | None = None) -> AliasQuerySet:
    """Filter aliases (all, if None) by those that the person may use now.

    `person_id`: the id of a user, None for an anonymous one, or an expression for the id.
    """
    return _passing(person_id, aliases, RULES)


def filter_visible(person_id: Any, aliases: AliasQuerySet | None = None) -> AliasQuerySet:
    """Filter aliases as `filter_admitted` does, but include those that are turned off."""
    return _passing(person_id, aliases, [rule for rule in RULES if rule.hides])


def annotate_switches(aliases: AliasQuerySet) -> AliasQuerySet:
    """Annotate `is_on`: whether all rules hold that don't hide the alias. These are the administrators' switches."""
    switches = [rule for rule in RULES if not rule.hides]
    return _with_credential(aliases).annotate(is_on=_all_hold(switches))  # type: ignore[no-redef]  # declared on Alias for readers


def filter_turned_on(aliases: AliasQuerySet) -> AliasQuerySet:
    """Filter aliases by those that are turned on, for calls of the system, which no person makes."""
    return annotate_switches(aliases).filter(is_on=True)  # type: ignore[misc]  # annotated


def is_on(credential: OAuth2Credential) -> bool:
    """Whether the rules about credentials hold, so that permitted people can sign in with it."""
    conditions = [rule.condition() for rule in RULES if rule.about == About.CREDENTIAL]
    return OAuth2Credential.objects.filter(*conditions, pk=credential.pk).exists()


def may_sign_in(user: User, credential: OAuth2Credential) -> bool:
    """Whether this person may sign in with the credential. Reads anew, except permissions to sign in for the system.

    The system's sign-in is for those who may change its set-up, and needs no alias.
    """
    if credential.is_personal:
        return filter_admitted(user.pk, Alias.objects.personal_using(credential)).exists()
    return is_on(credential) and user.is_staff and user.has_perm(SET_UP)


def evaluate_rules(person_id: Any, alias: Alias) -> list[tuple[Rule, bool]]:
    """Every rule, and whether it admits this person to this alias. One statement."""
    rows = _pairs(person_id, Alias.objects.filter(pk=alias.pk))
    row = rows.annotate(**{f"passes_{rule.code}": _holds([rule], rule.about) for rule in RULES}).get()
    return [(rule, getattr(row, f"passes_{rule.code}")) for rule in RULES]


def scopes_of(user: User, requested: Iterable[str] | None = None) -> dict[str, Any]:
    """Scopes that this person may grant to a program, with their descriptions. None without the role."""
    if find_refusal(user):
        return {}
    return {**scopes.FIXED, **filter_visible(user.pk, aliases_of(requested)).as_scopes()}


def all_scopes(requested: Iterable[str] | None = None, most: int | None = None) -> dict[str, str]:
    """Scopes of all active aliases, or of so many; only those requested, if any are."""
    return aliases_of(requested).as_scopes(most)


def aliases_of(requested: Iterable[str] | None) -> AliasQuerySet:
    """Aliases whose scopes are requested; all if it is None."""
    aliases = Alias.objects.all()
    return aliases if requested is None else aliases.filter(name__in=scopes.service_names(requested))


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
    """On rows of `_pairs`: all of these rules that are about this kind of row hold."""
    match [rule.condition() for rule in rules if rule.about == about], about:
        case [], _:
            return Q()
        case conditions, About.PERSON:
            return Q(Exists(User.objects.filter(*conditions, pk=OuterRef("person_id"))))
        case conditions, About.CREDENTIAL:
            return Q(Exists(OAuth2Credential.objects.filter(*conditions, pk=OuterRef("effective_id"))))
        case conditions, _:
            return Q(*conditions)
