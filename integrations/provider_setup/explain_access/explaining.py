"""An explanation: all rules in order, and what the user and their programs see."""

from collections.abc import Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import scopes
from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server import grants
from foundation.name_lists import isolate_name
from integrations.models import admission
from integrations.models.admission import About, Rule
from integrations.models.card import Integration, build_integrations
from integrations.models.registry import Alias
from integrations.provider_setup.explain_access.access import access_lines
from integrations.provider_setup.explain_access.calls import call_lines, lines_not_asked
from integrations.provider_setup.explain_access.results import Explanation, Line, Place, Verdict, name_of


def explain(person: User, alias: Alias, *, shows_account: bool = True) -> Explanation:
    """Explain whether a user may use an integration. Read-only, in a fixed number of SQL statements.

    `alias` comes from `Alias.objects.complete()`. `shows_account`: name the account at the provider.
    """
    verdicts = admission.evaluate_rules(person.pk, alias)
    access = access_lines(person, alias, verdicts)
    integration = next(iter(build_integrations(person, Alias.objects.filter(pk=alias.pk).personal())), None)
    if integration and all(line.verdict == Verdict.YES for line in access):
        calls = call_lines(integration, name_of(person), shows_account=shows_account)
    else:
        calls = lines_not_asked(alias.title)
    return Explanation(
        person=person,
        alias=alias,
        lines=(*after_refusal(access), *calls),
        sees=what_person_sees(integration, alias, [rule for rule, passes in verdicts if not passes]),
        has_connection=bool(integration and integration.connection_url),
        account=integration.account if integration and shows_account else "",
        at=timezone.now(),
        access_count=len(access),
    )


def after_refusal(lines: Sequence[Line]) -> list[Line]:
    """Mark the lines after the first "no" as not asked: it decides."""
    index = next((index for index, line in enumerate(lines) if line.verdict == Verdict.NO), len(lines))
    later = [Line(title=line.title, verdict=Verdict.NOT_ASKED) for line in lines[index + 1 :]]
    return [*lines[: index + 1], *later]


def what_person_sees(integration: Integration | None, alias: Alias, refusing: Sequence[Rule]) -> str:
    """Describe what the user sees. `refusing`: all rules that refuse, since any of them may hide the card."""
    names = {"integration": isolate_name(alias.title)}
    if any(rule.about == About.PERSON for rule in refusing):
        return _("No dashboard at all.")
    if integration is None or any(rule.hides for rule in refusing) or not integration.is_listed:
        return _("%(integration)s is not on the dashboard.") % names
    return _("The card of %(integration)s, with the badge “%(badge)s”.") % {**names, "badge": integration.badge}


def programs_of(person: User, alias: Alias) -> list[Place]:
    """Return the programs whose scopes contain the alias, by kind and name. Whether a call would work is not asked."""
    scope = f"{scopes.SERVICE}{alias.name}"
    tokens = PermanentToken.objects.alive().filter(user=person).select_related("user", "created_by").order_by("name")
    granted = grants.load_grants(person)
    applications = {
        grant.application.pk: grant.application
        for grant in (*granted.approved_scopes, *granted.refresh_tokens)
        if scopes.allows_scope(grant.scope_names, scope)
    }
    return [
        *(
            Place(label=_("Token “%(name)s”") % {"name": isolate_name(token.name)}, row=token)
            for token in tokens
            if operations.has_active_people(token) and scopes.allows_scope(operations.effective_scopes(token), scope)
        ),
        *(
            Place(label=application.title, row=application)
            for application in sorted(applications.values(), key=lambda each: each.title.casefold())
        ),
    ]
