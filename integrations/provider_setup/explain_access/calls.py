"""Lines on whether a call would work now, from rows alone: the sign-in, the addresses, the provider."""

from datetime import datetime

from django.utils.translation import gettext as _

from foundation.name_lists import isolate_name
from integrations.models.card import Integration
from integrations.models.card.moved_addresses import Move, server_of
from integrations.models.failures import MISCONFIGURED, MOVED, NOT_AUTHENTICATED, UNREACHABLE
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Token
from integrations.models.tokens.consent import CONNECTION
from integrations.provider_setup.explain_access.results import Line, Place, Verdict, format_moment


def call_lines(integration: Integration, person_name: str, *, shows_account: bool) -> list[Line]:
    return [
        sign_in_line(integration, person_name, shows_account=shows_account),
        address_line(integration, person_name),
        provider_line(integration),
    ]


def lines_not_asked(title: str) -> list[Line]:
    titles = (sign_in_title(title), address_title(), provider_title(title))
    return [Line(title=line_title, verdict=Verdict.NOT_ASKED) for line_title in titles]


def sign_in_title(title: str) -> str:
    return _("Has signed in at %(integration)s") % {"integration": isolate_name(title)}


def address_title() -> str:
    return _("Has agreed to the addresses that are set up")


def provider_title(title: str) -> str:
    return _("%(integration)s answers, as far as is known") % {"integration": isolate_name(title)}


# The sign-in ----------------------------------------------------------------------------------------------------------


def sign_in_line(integration: Integration, person_name: str, *, shows_account: bool) -> Line:
    title, token = sign_in_title(integration.title), integration.token
    if token and token.is_valid:
        return Line(title=title, verdict=Verdict.YES, detail=signed_in(token, shows_account=shows_account))
    if integration.is_locked:
        return Line(
            title=title,
            verdict=Verdict.NOT_YET,
            detail=_("The token is stored, but its key is missing from TOKEN_ENCRYPTION_KEYS."),
            answer=NOT_AUTHENTICATED,
            note=_("The site’s operator can restore the key. Then nobody has to sign in again."),
        )
    note = _("Only %(person)s can sign in there.") % {"person": person_name}
    sentences, places = [describe_end(token) if token else never_signed_in(integration)], []
    if integration.attempt:
        sentences.append(_("A sign-in is in progress."))
    if integration.sign_in_may_fail:
        sentences.append(refuses_us(integration.registry))
        places.append(registry_place(integration))
    return Line(
        title=title,
        verdict=Verdict.NOT_YET,
        detail=" ".join(sentences),
        answer=NOT_AUTHENTICATED,
        places=tuple(places),
        note=note,
    )


def signed_in(token: Token, *, shows_account: bool) -> str:
    sentences = [_("Signed in on %(moment)s.") % {"moment": format_moment(token.signed_in_at)}]
    if shows_account and token.account_label:
        sentences.append(_("As %(account)s.") % {"account": isolate_name(token.account_label)})
    if token.refreshed_at:
        sentences.append(_("Renewed on %(moment)s.") % {"moment": format_moment(token.refreshed_at)})
    if token.renews_itself:
        sentences.append(_("Keyrack renews it."))
    elif token.expires_at:
        sentences.append(_("It isn’t renewed; it expires on %(moment)s.") % {"moment": format_moment(token.expires_at)})
    return " ".join(sentences)


def describe_end(token: Token) -> str:
    if token.failure_code and token.failed_at:
        sentence = _("The sign-in stopped working on %(moment)s (%(code)s).")
        return sentence % {"moment": format_moment(token.failed_at), "code": token.failure_code}
    ends: list[datetime] = [end for end in (token.expires_at, token.refresh_expires_at) if end]
    if ends:
        return _("The sign-in ended on %(moment)s.") % {"moment": format_moment(max(ends))}
    return _("The sign-in no longer works.")


def never_signed_in(integration: Integration) -> str:
    revocation = integration.revocation or integration.settled
    if revocation:
        sentence = _("Not signed in. An earlier sign-in was ended on %(moment)s.")
        return sentence % {"moment": format_moment(revocation.created_at)}
    return _("Not signed in.")


# The addresses --------------------------------------------------------------------------------------------------------


def address_line(integration: Integration, person_name: str) -> Line:
    title, token = address_title(), integration.token
    if token is None or not token.is_valid:
        detail = _("A sign-in also confirms the addresses.")
        return Line(title=title, verdict=Verdict.NOT_ASKED, detail=detail)
    if not integration.address_changes:
        url = integration.connection_url
        detail = _("Calls go to %(server)s.") % {"server": server_of(url)} if url else _("No calls are made with it.")
        return Line(title=title, verdict=Verdict.YES, detail=detail)
    return Line(
        title=title,
        verdict=Verdict.NOT_YET,
        detail=" ".join(map(in_words, integration.address_moves)),
        answer=MOVED,
        places=changed_rows(integration),
        note=_("Only %(person)s can agree, on the card or by signing in again; no administrator can.")
        % {"person": person_name},
    )


def in_words(move: Move) -> str:
    names = {"label": move.label, "old": server_of(move.old) or "–", "new": server_of(move.new) or "–"}
    sentence = _("%(label)s: agreed to %(old)s, now %(new)s.") % names
    if move.at and move.who:
        changed = {"who": isolate_name(move.who), "moment": format_moment(move.at)}
        return f"{sentence} {_('Changed by %(who)s on %(moment)s.') % changed}"
    return f"{sentence} {_('Changed on %(moment)s.') % {'moment': format_moment(move.at)}}" if move.at else sentence


def changed_rows(integration: Integration) -> tuple[Place, ...]:
    names, connection = {change.name for change in integration.address_changes}, integration.alias.connection
    places = []
    if connection and CONNECTION in names:
        places.append(Place(label=_("Connection: %(name)s") % {"name": isolate_name(connection.name)}, row=connection))
    if names - {CONNECTION}:
        places.append(registry_place(integration))
    return tuple(places)


# The provider ---------------------------------------------------------------------------------------------------------


def provider_line(integration: Integration) -> Line:
    """Return the line on the provider. The token endpoint matters only if the token has to be renewed for the call."""
    title, registry, token = provider_title(integration.title), integration.registry, integration.token
    needs_renewal = bool(token and token.is_valid and not token.lives_for())
    url = integration.connection_url
    if (url and registry.is_down_at(url)) or (needs_renewal and registry.is_down_at(registry.token_url)):
        return Line(
            title=title,
            verdict=Verdict.NOT_YET,
            detail=describe_outage(registry),
            answer=UNREACHABLE,
            places=(registry_place(integration),),
            note=_("Nothing to do here: Keyrack tries again by itself."),
        )
    if needs_renewal and registry.cannot_renew:
        detail = f"{refuses_us(registry)} {_('The sign-in is kept and cannot be renewed until that is fixed.')}"
        place = registry_place(integration)
        return Line(title=title, verdict=Verdict.NOT_YET, detail=detail, answer=MISCONFIGURED, places=(place,))
    return Line(title=title, verdict=Verdict.YES, detail=" ".join(describe_troubles(integration)))


def describe_troubles(integration: Integration) -> list[str]:
    """Return sentences on problems that do not stop a call."""
    registry, token = integration.registry, integration.token
    sentences = []
    if registry.is_down_at(registry.token_url):
        sentences.append(describe_outage(registry))
    if registry.cannot_renew and token and token.renews_itself:
        sentences.append(refuses_us(registry))
    if sentences and token and token.expires_at:
        until = _("The current access token works until %(moment)s.")
        sentences.append(until % {"moment": format_moment(token.expires_at)})
    return sentences or [_("No failure is recorded. Keyrack made no call to check.")]


def describe_outage(registry: ApplicationRegistry) -> str:
    words = {"server": server_of(registry.failing_url)}
    if registry.down_since:
        sentence = _("%(server)s has not answered since %(moment)s; calls to it are held back.")
        return sentence % {**words, "moment": format_moment(registry.down_since)}
    return _("%(server)s does not answer; calls to it are held back.") % words


def refuses_us(registry: ApplicationRegistry) -> str:
    words = {"registry": isolate_name(registry.name), "code": registry.misconfigured_code}
    sentence = _("There is a set-up problem with the registry %(registry)s (%(code)s).") % words
    explanation = registry.misconfigured_explanation
    return f"{sentence} {explanation}" if explanation else sentence


def registry_place(integration: Integration) -> Place:
    registry = integration.registry
    return Place(label=_("Registry: %(name)s") % {"name": isolate_name(registry.name)}, row=registry)
