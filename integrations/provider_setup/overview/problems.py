"""What needs an administrator: a sentence of fact, the provider's own words, and the one thing to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.oauth_server import waiting_programs
from integrations.models.addresses import registry_field_url
from integrations.models.card.moved_addresses import name_of, server_of
from integrations.models.failures import field_behind
from integrations.models.registry import Use, validation
from integrations.provider_setup.overview import states
from integrations.provider_setup.overview.programs import WaitingPrograms
from integrations.provider_setup.overview.providers import Provider
from integrations.provider_setup.overview.sentences import NONE, Sentence
from integrations.provider_setup.overview.states import ProviderState

CHANGE_REGISTRY, CHANGE_ALIAS = "integrations.change_applicationregistry", "integrations.change_alias"
CHANGE_APPLICATION = waiting_programs.MAY_DECIDE
ADD_ALIAS = "integrations.add_alias"
# The button, by the field that the provider's answer points to
REMEDIES = {
    "client_secret": gettext_lazy("Replace the secret"),
    "client_id": gettext_lazy("Correct the Client ID"),
    "redirect_url": gettext_lazy("Copy the Redirect URL"),
    "scopes": gettext_lazy("Choose the scopes"),
    "issuer": gettext_lazy("Correct the Issuer"),
    "token_url": gettext_lazy("Correct the addresses"),
}
SINCE: dict[str, Any] = {
    Use.TOKENS: gettext_lazy("Sign-ins and renewals have failed since %(since)s because of how it is set up here."),
    Use.SIGN_IN: gettext_lazy("Nobody has been able to sign in since %(since)s because of how it is set up here."),
    Use.REVOCATION: gettext_lazy("It has refused revocations since %(since)s because of how it is set up here."),
    Use.REFUSALS: gettext_lazy("It has refused several people since %(since)s."),
}


@dataclass(frozen=True, kw_only=True)
class Action:
    """The one thing to do. `permission`: without it, the administrator sees no button."""

    label: str
    url: str
    permission: str
    is_post: bool = False


@dataclass(frozen=True, kw_only=True)
class Problem:
    about: Provider | WaitingPrograms
    sentence: Sentence
    consequence: Sentence = NONE
    words: str = ""  # the provider's words
    note: Sentence = NONE
    action: Action | None = field(default=None)
    own_state: ProviderState | None = None  # if not that of what it is about
    badge_text: str = ""

    @property
    def state(self) -> ProviderState:
        return self.own_state or self.about.state

    @property
    def badge(self) -> str:
        return self.badge_text or str(self.state.badge)

    @property
    def key(self) -> str:
        return f"{self.own_state.key}-{self.about.key}" if self.own_state else self.about.key


def find_problems(providers: Iterable[Provider], programs: WaitingPrograms | None = None) -> list[Problem]:
    """Return the problems, the worst first; among equals, those of the most people. Programs that wait come last."""
    providers = list(providers)
    rows = [(row, DESCRIPTIONS[row.state.key](row)) for row in providers if row.state.is_problem]
    rows += [(row, describe_ending(row)) for row in providers if row.secret_days is not None]
    order = {state.key: number for number, state in enumerate(states.STATES)}
    rows.sort(key=lambda pair: (order[pair[1].state.key], -pair[0].people.total, pair[0].name.casefold()))
    problems = [problem for _row, problem in rows]
    return [*problems, describe_waiting(programs)] if programs else problems


def describe_misconfigured(provider: Provider) -> Problem:
    registry = provider.registry
    assert registry is not None  # noqa: S101 - an alias alone is not misconfigured
    if not registry.misconfigured_code:
        name, message = provider.faults[0]
        label = registry._meta.get_field(name).verbose_name  # type: ignore[union-attr]  # a column
        sentence = Sentence(text="%(field)s: %(message)s", values={"field": label, "message": message})
        return Problem(about=provider, sentence=sentence, action=open_registry(provider, name))
    reported_at = registry.reported_at
    emailed = _("The administrators got an email about it at %(at)s.")
    return Problem(
        about=provider,
        sentence=Sentence(text=str(SINCE[provider.use]), values={"since": registry.misconfigured_at}),
        consequence=consequence_of(provider),
        words=provider.words_of_provider,
        note=Sentence(text=emailed, values={"at": reported_at}) if reported_at else NONE,
        action=open_registry(provider, field_behind(registry.misconfigured_code)),
    )


def consequence_of(provider: Provider) -> Sentence:
    """What it means for people. An explanation of the code says more than what follows from its use."""
    registry, count = provider.registry, provider.people.connected
    if registry and registry.misconfigured_explanation:
        return Sentence(text="%(explanation)s", values={"explanation": registry.misconfigured_explanation})
    if provider.use == Use.REVOCATION:
        return Sentence(text=_("What people revoke ends here, but not at the provider."))
    if not count:
        return NONE
    if provider.use == Use.TOKENS:
        text = ngettext(
            "<strong>%(count)d person stays signed in</strong>; their calls work until the access token expires.",
            "<strong>%(count)d people stay signed in</strong>; their calls work until the access token expires.",
            count,
        )
    else:
        text = ngettext(
            "<strong>%(count)d person stays signed in</strong> and is not affected.",
            "<strong>%(count)d people stay signed in</strong> and are not affected.",
            count,
        )
    return Sentence(text=text, values={"count": count})


def describe_new_address(provider: Provider) -> Problem:
    moved, registry, must_sign_in = provider.moved, provider.registry, provider.people.must_sign_in
    assert registry is not None  # noqa: S101 - its people have tokens
    who = name_of(moved.event)
    values = {
        "who": who,
        "address": server_of(moved.change.new) if moved.change else "",
        "at": moved.event.at if moved.event else registry.moved_at,
    }
    text = _("It was moved to <code>%(address)s</code> at %(at)s.")
    if who:
        text = _("%(who)s moved it to <code>%(address)s</code> at %(at)s.")
    consequence = ngettext(
        "<strong>%(count)d of %(total)d people</strong> hasn’t confirmed the new address; nothing of theirs is sent "
        "there until they do.",
        "<strong>%(count)d of %(total)d people</strong> haven’t confirmed the new address; nothing of theirs is sent "
        "there until they do.",
        moved.unconfirmed,
    )
    counts = {"count": moved.unconfirmed, "total": provider.people.connected}
    again = ngettext(
        "%(count)d more person must sign in again.", "%(count)d more people must sign in again.", must_sign_in
    )
    return Problem(
        about=provider,
        sentence=Sentence(text=text, values=values),
        consequence=Sentence(text=consequence, values=counts),
        note=Sentence(text=again, values={"count": must_sign_in}) if must_sign_in else NONE,
        action=reminding_action(provider),
    )


def reminding_action(provider: Provider) -> Action:
    """Mail those who have to do something."""
    label = ngettext("Remind %(count)d person", "Remind %(count)d people", provider.waiting)
    return Action(
        label=label % {"count": provider.waiting},
        url=reverse("integrations:remind_people", args=[provider.key]),
        permission=CHANGE_REGISTRY,
        is_post=True,
    )


def describe_ending(provider: Provider) -> Problem:
    registry, days, count = provider.registry, provider.secret_days or 0, provider.people.total
    assert registry is not None  # noqa: S101 - its secret ends
    badge = ngettext("In %(count)d day", "In %(count)d days", days) % {"count": days}
    if days <= 0:
        badge = _("Today") if days == 0 else _("Expired")
    depends = ngettext("%(count)d person depends on it.", "%(count)d people depend on it.", count)
    return Problem(
        about=provider,
        own_state=states.ENDING,
        badge_text=badge,
        sentence=Sentence(text="%(end)s", values={"end": validation.describe_secret_end(registry)}),
        consequence=Sentence(text=depends, values={"count": count}) if count else NONE,
        action=open_registry(provider, "client_secret"),
    )


def describe_half(provider: Provider) -> Problem:
    began = _("%(who)s began it at %(at)s.")
    note = Sentence(text=began, values={"who": provider.set_up_by, "at": provider.set_up_at})
    return Problem(
        about=provider,
        sentence=Sentence(text="%(missing)s", values={"missing": provider.missing}),
        note=note if provider.set_up_by else NONE,
        action=completing_action(provider),
    )


def completing_action(provider: Provider) -> Action:
    """Where the missing part is added."""
    if provider.registry is None:
        url = reverse("admin:integrations_alias_change", args=[provider.aliases[0].pk])
        return Action(label=_("Add its connection"), url=url, permission=CHANGE_ALIAS)
    if provider.aliases or not provider.registry.profiles.all():
        return open_registry(provider, "")
    url = reverse("admin:integrations_alias_add")
    return Action(label=_("Add an alias"), url=url, permission=ADD_ALIAS)


def describe_down(provider: Provider) -> Problem:
    registry, count = provider.registry, provider.people.total
    assert registry is not None  # noqa: S101 - only registries have it
    consequence = _("Nothing to do here: Keyrack asks again every minute.")
    if count:
        consequence = ngettext(
            "Nothing to do here: the sign-in is kept, and Keyrack asks again every minute.",
            "Nothing to do here: all %(count)d sign-ins are kept, and Keyrack asks again every minute.",
            count,
        )
    values = {"since": registry.down_since, "address": server_of(registry.failing_url)}
    return Problem(
        about=provider,
        sentence=Sentence(text=_("<code>%(address)s</code> hasn’t answered since %(since)s."), values=values),
        consequence=Sentence(text=consequence, values={"count": count}),
        action=Action(
            label=_("Check now"),
            url=reverse("admin:integrations_applicationregistry_check", args=[registry.pk]),
            permission=CHANGE_REGISTRY,
            is_post=True,
        ),
    )


def describe_waiting(programs: WaitingPrograms) -> Problem:
    text = ngettext(
        "Somebody wants to use a program of <code>%(hosts)s</code>, a host that isn’t allowed yet.",
        "People want to use %(count)d programs of hosts that aren’t allowed yet: <code>%(hosts)s</code>.",
        programs.count,
    )
    consequence = ngettext(
        "Until an administrator allows it, nobody can use it, and Keyrack calls nothing there.",
        "Until an administrator allows them, nobody can use them, and Keyrack calls nothing there.",
        programs.count,
    )
    values = {"count": programs.count, "hosts": programs.hosts_in_words}
    return Problem(
        about=programs,
        sentence=Sentence(text=text, values=values),
        consequence=Sentence(text=consequence),
        note=Sentence(text=_("First asked for at %(at)s."), values={"at": programs.since}),
        action=Action(label=_("Allow or block"), url=waiting_programs.list_url(), permission=CHANGE_APPLICATION),
    )


def open_registry(provider: Provider, name: str) -> Action:
    """The form of the registry, at the field that has to be corrected."""
    assert provider.registry is not None  # noqa: S101 - only registries have fields
    label = str(REMEDIES.get(name, _("Open its set-up")))
    return Action(label=label, url=registry_field_url(provider.registry, name), permission=CHANGE_REGISTRY)


DESCRIPTIONS: dict[str, Callable[[Provider], Problem]] = {
    states.MISCONFIGURED.key: describe_misconfigured,
    states.NEW_ADDRESS.key: describe_new_address,
    states.HALF.key: describe_half,
    states.DOWN.key: describe_down,
}
