"""Lines on admission: one for each rule, and one on whether the alias has a personal credential."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from django.contrib.auth.models import Group, Permission
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.sign_in.models import TwoStepRequirement
from foundation.name_lists import isolate_name, join_names
from integrations.models import admission
from integrations.models.admission import About, Rule
from integrations.models.failures import INVALID_TOKEN, NOT_FOUND, PERMISSION_DENIED
from integrations.models.registry import Alias, AliasType, OAuth2Credential
from integrations.provider_setup.explain_access.results import (
    Line,
    Place,
    Verdict,
    format_moment,
    name_of,
)

ANSWERS = {answer.status: answer for answer in (INVALID_TOKEN, PERMISSION_DENIED, NOT_FOUND)}  # to a refusing rule


@dataclass(frozen=True)
class Subject:
    """The user and the alias that the rules are about. `alias` comes from `Alias.objects.complete()`."""

    person: User
    alias: Alias

    @property
    def credential(self) -> OAuth2Credential | None:
        return self.alias.effective_credential

    @cached_property
    def groups(self) -> list[Group]:
        return list(self.person.groups.order_by("name"))

    @cached_property
    def alias_groups(self) -> list[Group]:
        return list(self.alias.groups.order_by("name"))

    @cached_property
    def role(self) -> Permission | None:
        app_label, _dot, codename = admission.ROLE.partition(".")
        return Permission.objects.filter(content_type__app_label=app_label, codename=codename).first()


def access_lines(person: User, alias: Alias, verdicts: Iterable[tuple[Rule, bool]]) -> list[Line]:
    """Return one line for each rule. `verdicts` come from `admission`; without a credential its rules aren't asked."""
    subject = Subject(person, alias)
    lines = [line_of(rule, subject, passes=passes) for rule, passes in verdicts]
    return [*lines, personal_line(subject)]


def line_of(rule: Rule, subject: Subject, *, passes: bool) -> Line:
    title = str(rule.title)
    if rule.about == About.CREDENTIAL and subject.credential is None:
        return Line(title=title, verdict=Verdict.NOT_ASKED, detail=_("The alias leads to no credential."))
    if passes:
        return Line(title=title, verdict=Verdict.YES, detail=detail_of(CONFIRMED, rule, subject))
    return Line(
        title=title,
        verdict=Verdict.NO,
        detail=detail_of(REFUSED, rule, subject) or str(rule.refusal),
        answer=ANSWERS[rule.status],
        places=places_of(rule, subject),
    )


def detail_of(details: dict[str, Callable[[Subject], str]], rule: Rule, subject: Subject) -> str:
    return details[rule.code](subject) if rule.code in details else ""


def last_sign_in(subject: Subject) -> str:
    signed_in_at = subject.person.last_login
    return (
        _("Last signed in to Keyrack on %(moment)s.") % {"moment": format_moment(signed_in_at)} if signed_in_at else ""
    )


def source_of_role(subject: Subject) -> str:
    if subject.person.is_superuser:
        return _("As a superuser.")
    role = subject.role
    groups = list(subject.person.groups.filter(permissions=role).order_by("name")) if role else []
    if groups:
        return _("From the group: %(groups)s.") % {"groups": join_names(groups)}
    return _("By a permission of the account itself.")


def groups_with_role(subject: Subject) -> str:
    refusal = _("%(person)s has it neither from a group nor from a permission of the account.")
    groups = subject.role.group_set.order_by("name") if subject.role else []
    sentences = [refusal % {"person": name_of(subject.person)}]
    if groups:
        sentences.append(_("Groups that have it: %(groups)s.") % {"groups": join_names(groups)})
    return " ".join(sentences)


def required_by(subject: Subject) -> str:
    requirements = TwoStepRequirement.objects.filter(group__in=subject.groups).select_related("group")
    groups = [requirement.group for requirement in requirements if requirement.group]
    if groups:
        names = {"person": name_of(subject.person), "groups": join_names(groups)}
        return _("%(person)s hasn’t set up two-step sign-in, which these groups require: %(groups)s.") % names
    names = {"person": name_of(subject.person)}
    return _("%(person)s hasn’t set up two-step sign-in, which is required of everybody with staff status.") % names


def alias_off(subject: Subject) -> str:
    alias = subject.alias
    sentence = _("The alias %(name)s is turned off.") % {"name": alias.name}
    if alias.inactive_reason:
        sentence = _("The alias %(name)s is turned off: “%(reason)s”.") % {
            "name": alias.name,
            "reason": isolate_name(alias.inactive_reason),
        }
    since = alias.deactivated_at
    return f"{sentence} {_('Since %(moment)s.') % {'moment': format_moment(since)}}" if since else sentence


def describe_sharing(subject: Subject) -> str:
    if not subject.alias_groups:
        return _("No group is named, so everyone with the role may use it.")
    common = [group for group in subject.alias_groups if group in subject.groups]
    sentence = _("May use it: %(groups)s. %(person)s is in: %(common)s.")
    names = {
        "groups": join_names(subject.alias_groups),
        "person": name_of(subject.person),
        "common": join_names(common),
    }
    return sentence % names


def no_sharing(subject: Subject) -> str:
    names = {
        "groups": join_names(subject.alias_groups),
        "person": name_of(subject.person),
        "own": join_names(subject.groups),
    }
    if not subject.groups:
        return _("Only these groups may use it: %(groups)s. %(person)s is in no group.") % names
    return _("Only these groups may use it: %(groups)s. %(person)s is in: %(own)s.") % names


def credential_name(subject: Subject) -> str:
    return isolate_name(subject.credential.name) if subject.credential else ""


def registry_name(subject: Subject) -> str:
    return isolate_name(subject.credential.registry.name) if subject.credential else ""


# By rule code. A rule without an entry is explained by its own text.
CONFIRMED: dict[str, Callable[[Subject], str]] = {
    "deactivated": last_sign_in,
    "no_role": source_of_role,
    "alias_off": lambda subject: _("Alias: %(name)s.") % {"name": subject.alias.name},
    "credential_off": lambda subject: _("Credential: %(name)s.") % {"name": credential_name(subject)},
    "registry_off": lambda subject: _("Registry: %(name)s.") % {"name": registry_name(subject)},
    "not_shared": describe_sharing,
}
REFUSED: dict[str, Callable[[Subject], str]] = {
    "no_role": groups_with_role,
    "no_second_step": required_by,
    "alias_off": alias_off,
    "credential_off": lambda subject: (
        _("The OAuth 2.0 Credential %(name)s is turned off.") % {"name": credential_name(subject)}
    ),
    "registry_off": lambda subject: (
        _("The Application Registry %(name)s is turned off.") % {"name": registry_name(subject)}
    ),
    "not_shared": no_sharing,
}


def places_of(rule: Rule, subject: Subject) -> tuple[Place, ...]:
    """Return the admin pages of the rows that the rule reads."""
    person, alias, credential = subject.person, subject.alias, subject.credential
    account = Place(label=_("User: %(name)s") % {"name": person.get_username()}, row=person)
    the_alias = Place(label=_("Alias: %(name)s") % {"name": alias.name}, row=alias)
    if rule.code == "not_shared":
        return (
            replace(account, label=_("Change the groups of %(name)s") % {"name": name_of(person)}),
            replace(the_alias, label=_("Change which groups may use %(name)s") % {"name": isolate_name(alias.title)}),
        )
    if rule.about == About.PERSON:
        return (account,)
    if rule.about == About.ALIAS or credential is None:
        return (the_alias,)
    if rule.code == "registry_off":
        return (
            Place(
                label=_("Registry: %(name)s") % {"name": isolate_name(credential.registry.name)},
                row=credential.registry,
            ),
        )
    return (Place(label=_("Credential: %(name)s") % {"name": isolate_name(credential.name)}, row=credential),)


def personal_line(subject: Subject) -> Line:
    """Return the line on the credential: without a personal one the alias is on no dashboard."""
    title, credential = _("Has a personal credential"), subject.credential
    if credential and credential.is_personal:
        detail = _("Credential: %(name)s, Integration Type Personal.") % {"name": isolate_name(credential.name)}
        return Line(title=title, verdict=Verdict.YES, detail=detail)
    detail, place = why_not_personal(subject.alias, credential)
    return Line(title=title, verdict=Verdict.NO, detail=detail, answer=NOT_FOUND, places=(place,))


def why_not_personal(alias: Alias, credential: OAuth2Credential | None) -> tuple[str, Place]:
    the_alias = Place(label=_("Alias: %(name)s") % {"name": alias.name}, row=alias)
    if credential:
        place = Place(label=_("Credential: %(name)s") % {"name": isolate_name(credential.name)}, row=credential)
        detail = _("The credential %(name)s has the Integration Type System, so people can’t use it.")
        return detail % {"name": isolate_name(credential.name)}, place
    connection = alias.connection
    if connection:
        place = Place(label=_("Connection: %(name)s") % {"name": isolate_name(connection.name)}, row=connection)
        return _("The connection %(name)s names no credential.") % {"name": isolate_name(connection.name)}, place
    if alias.type == AliasType.CREDENTIAL:
        return _("The alias %(name)s names no credential.") % {"name": alias.name}, the_alias
    return _("The alias %(name)s has no active connection.") % {"name": alias.name}, the_alias
