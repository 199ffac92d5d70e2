"""What a person must do: sign in again, renew in time, or look after a revoke that no provider confirmed."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import ngettext

from accounts.models import User
from foundation.mail_outbox import Line, Mail, OwedMail
from integrations.connections.notices.addresses import absolute, dashboard
from integrations.models.card import Integration, integrations_of
from integrations.models.sign_in_urls import initiator_url
from integrations.models.tokens import Revocation, RevocationState, Token, TokenQuerySet, TokenState

READ_AT_MOST = 500  # rows of one kind
SIGN_IN_AGAIN, UNCONFIRMED = "needs_reauth", "unconfirmed"
# So long before the end a person is told, the last first. Not in the first half of a token's life: that was just now.
LEADS = {"day": timedelta(days=1), "week": timedelta(days=7)}
NOT_TOLD = {"day": ["", "week"], "week": [""]}


def to_people(now: datetime) -> Iterator[OwedMail]:
    for user, tokens in by_person(refused(now)):
        compose = partial(about_tokens, user, tokens, "sign_in_again", sign_in_again, told=SIGN_IN_AGAIN)
        yield OwedMail(key=f"{SIGN_IN_AGAIN}:{user.pk}", compose=compose)
    for notice in LEADS:
        for user, tokens in by_person(ending(now, notice)):
            compose = partial(about_tokens, user, tokens, "ending", stops_soon, told=notice)
            yield OwedMail(key=f"{notice}:{user.pk}", compose=compose)
    for user, revocations in by_person(unconfirmed()):
        yield OwedMail(key=f"{UNCONFIRMED}:{user.pk}", compose=partial(about_revocations, user, revocations))


def by_person(rows: QuerySet[Any]) -> Iterator[tuple[User, list[Any]]]:
    """All that one person is told of at once. In no order: whose mail fails each time must not always come first."""
    reachable = rows.filter(user__is_active=True).exclude(user__email="").select_related("user")
    found = reachable.order_by("user_id")[:READ_AT_MOST]
    people = [(user, list(theirs)) for user, theirs in groupby(found, key=lambda row: row.user)]
    random.shuffle(people)
    yield from people


def refused(now: datetime) -> TokenQuerySet:
    """Refused by the provider; or renewed by a process that died, and used to the end since."""
    used_up = Q(state=TokenState.VALID, expires_at__lte=now) & ~Q(failure_code="")
    return Token.objects.filter(Q(state=TokenState.NEEDS_REAUTH) | used_up).exclude(notice=SIGN_IN_AGAIN)


def ending(now: datetime, notice: str) -> TokenQuerySet:
    """Nothing renews these, and their time is nearly over."""
    lead = LEADS[notice]
    middle = ExpressionWrapper(Coalesce("refreshed_at", "signed_in_at") + lead * 2, output_field=DateTimeField())
    unrenewable = Q(refresh_token__isnull=True) | Q(refresh_expires_at__lte=now)
    rows = Token.objects.filter(unrenewable, state=TokenState.VALID, notice__in=NOT_TOLD[notice])
    return rows.filter(expires_at__gt=now, expires_at__lte=now + lead, expires_at__gte=middle)


def unconfirmed() -> QuerySet[Revocation]:
    """What a person revoked, and no provider has confirmed after the attempts of the first minute."""
    open_ends = [RevocationState.FAILED, RevocationState.ABANDONED]
    rows = Revocation.objects.filter(state__in=open_ends, by_the_person=True, dismissed_at=None)
    return rows.exclude(notice=UNCONFIRMED).select_related("registry")


def about_tokens(user: User, tokens: list[Token], template: str, subject: Callable[..., str], *, told: str) -> Mail:
    shown = cards_of(user)
    lines = [
        Line(
            row=token,
            memory="notice",
            told=told,
            only_while={"version": token.version, "state": token.state},
            words=token_words(token, shown.get(token.credential_id)),
        )
        for token in tokens
    ]
    return Mail(
        to=[user.email],
        template=f"integrations/mail/{template}.txt",
        subject=subject,
        lines=lines,
        context=dashboard(),
    )


def cards_of(user: User) -> dict[UUID, Integration]:
    """By credential. What is turned off is nobody's to mend."""
    return {row.credential.pk: row for row in integrations_of(user) if row.is_on}


def token_words(token: Token, card: Integration | None) -> dict[str, Any] | None:
    if card is None:
        return None
    url = absolute(initiator_url(card.credential))
    return {
        "title": card.title,
        "account": token.account_label,
        "url": url,
        "ends_at": token.expires_at,
        "was_interrupted": card.was_interrupted,
    }


def about_revocations(user: User, revocations: list[Revocation]) -> Mail:
    shown = cards_of(user)
    lines = [
        Line(
            row=revocation,
            memory="notice",
            told=UNCONFIRMED,
            only_while={"state": revocation.state},
            words=revocation_words(
                revocation, shown.get(revocation.credential_id) if revocation.credential_id else None
            ),
        )
        for revocation in revocations
    ]
    return Mail(
        to=[user.email],
        template="integrations/mail/not_confirmed.txt",
        subject=not_confirmed,
        lines=lines,
        context=dashboard(),
    )


def revocation_words(revocation: Revocation, card: Integration | None) -> dict[str, Any]:
    """Also where the card is gone: access may be open there."""
    registry = revocation.registry
    return {
        "title": card.title if card else revocation.provider,
        "account": revocation.account_label,
        "given_up": revocation.state == RevocationState.ABANDONED,
        "settings_url": registry.account_settings_url if registry else "",
    }


def sign_in_again(count: int, first: dict[str, Any]) -> str:
    told = ngettext("Sign in to %(title)s again", "Sign in to %(count)d integrations again", count)
    return told % {"title": first["title"], "count": count}


def stops_soon(count: int, first: dict[str, Any]) -> str:
    told = ngettext("%(title)s expires soon", "%(count)d integrations expire soon", count)
    return told % {"title": first["title"], "count": count}


def not_confirmed(count: int, first: dict[str, Any]) -> str:
    told = ngettext("%(title)s didn’t confirm a revoke", "%(count)d revokes were not confirmed", count)
    return told % {"title": first["title"], "count": count}
