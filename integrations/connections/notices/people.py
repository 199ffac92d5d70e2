"""Mails to people: sign in again, renew in time, or check a revoke that the provider did not confirm."""

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
from foundation.mail_outbox import DueMail, Line, Mail
from integrations.connections.notices.addresses import absolute_url, dashboard_context
from integrations.models.addresses import initiator_url
from integrations.models.card import Integration, integrations_of
from integrations.models.tokens import Revocation, RevocationState, Token, TokenQuerySet, TokenState

READ_AT_MOST = 500  # rows of one kind
SIGN_IN_AGAIN, UNCONFIRMED = "needs_reauth", "unconfirmed"
# How long before the end a person is warned, the last warning first. Never in the first half of a token's life.
LEADS = {"day": timedelta(days=1), "week": timedelta(days=7)}
EARLIER_NOTICES = {"day": ["", "week"], "week": [""]}


def mails_to_people(now: datetime) -> Iterator[DueMail]:
    """Mails that are due."""
    for user, tokens in by_person(refused_tokens(now)):
        compose = partial(mail_about_tokens, user, tokens, "sign_in_again", sign_in_again_subject, notice=SIGN_IN_AGAIN)
        yield DueMail(key=f"{SIGN_IN_AGAIN}:{user.pk}", compose=compose)
    for notice in LEADS:
        for user, tokens in by_person(ending_tokens(now, notice)):
            compose = partial(mail_about_tokens, user, tokens, "ending", expires_soon_subject, notice=notice)
            yield DueMail(key=f"{notice}:{user.pk}", compose=compose)
    for user, revocations in by_person(unconfirmed_revocations()):
        yield DueMail(key=f"{UNCONFIRMED}:{user.pk}", compose=partial(mail_about_revocations, user, revocations))


def by_person(rows: QuerySet[Any]) -> Iterator[tuple[User, list[Any]]]:
    """Group rows by user, in random order, so that a user whose mail always fails does not always come first."""
    reachable = rows.filter(user__is_active=True).exclude(user__email="").select_related("user")
    limited = reachable.order_by("user_id")[:READ_AT_MOST]
    people = [(user, list(user_rows)) for user, user_rows in groupby(limited, key=lambda row: row.user)]
    random.shuffle(people)
    yield from people


def refused_tokens(now: datetime) -> TokenQuerySet:
    """Tokens that the provider refused, or whose renewal was interrupted and that have expired since."""
    expired_after_failure = Q(state=TokenState.VALID, expires_at__lte=now) & ~Q(failure_code="")
    return Token.objects.filter(Q(state=TokenState.NEEDS_REAUTH) | expired_after_failure).exclude(notice=SIGN_IN_AGAIN)


def ending_tokens(now: datetime, notice: str) -> TokenQuerySet:
    """Tokens that cannot be renewed and expire soon."""
    lead = LEADS[notice]
    middle = ExpressionWrapper(Coalesce("refreshed_at", "signed_in_at") + lead * 2, output_field=DateTimeField())
    unrenewable = Q(refresh_token__isnull=True) | Q(refresh_expires_at__lte=now)
    rows = Token.objects.filter(unrenewable, state=TokenState.VALID, notice__in=EARLIER_NOTICES[notice])
    return rows.filter(expires_at__gt=now, expires_at__lte=now + lead, expires_at__gte=middle)


def unconfirmed_revocations() -> QuerySet[Revocation]:
    """Revocations by a person that the provider did not confirm within the attempts of the first minute."""
    states = [RevocationState.FAILED, RevocationState.ABANDONED]
    rows = Revocation.objects.filter(state__in=states, by_the_person=True, dismissed_at=None)
    return rows.exclude(notice=UNCONFIRMED).select_related("registry")


def mail_about_tokens(
    user: User, tokens: list[Token], template: str, subject: Callable[..., str], *, notice: str
) -> Mail:
    cards = cards_of(user)
    lines = [
        Line(
            row=token,
            memory="notice",
            told=notice,
            only_while={"version": token.version, "state": token.state},
            words=token_words(token, cards.get(token.credential_id)),
        )
        for token in tokens
    ]
    return Mail(
        to=[user.email],
        template=f"integrations/mail/{template}.txt",
        subject=subject,
        lines=lines,
        context=dashboard_context(),
    )


def cards_of(user: User) -> dict[UUID, Integration]:
    """Integrations of this user by credential, without those that are turned off."""
    return {row.credential.pk: row for row in integrations_of(user) if row.is_on}


def token_words(token: Token, card: Integration | None) -> dict[str, Any] | None:
    if card is None:
        return None
    url = absolute_url(initiator_url(card.credential))
    return {
        "title": card.title,
        "account": token.account_label,
        "url": url,
        "ends_at": token.expires_at,
        "was_interrupted": card.was_interrupted,
    }


def mail_about_revocations(user: User, revocations: list[Revocation]) -> Mail:
    cards = cards_of(user)
    lines = [
        Line(
            row=revocation,
            memory="notice",
            told=UNCONFIRMED,
            only_while={"state": revocation.state},
            words=revocation_words(
                revocation, cards.get(revocation.credential_id) if revocation.credential_id else None
            ),
        )
        for revocation in revocations
    ]
    return Mail(
        to=[user.email],
        template="integrations/mail/not_confirmed.txt",
        subject=not_confirmed_subject,
        lines=lines,
        context=dashboard_context(),
    )


def revocation_words(revocation: Revocation, card: Integration | None) -> dict[str, Any]:
    """Template context. The card may be gone while access at the provider is still open."""
    registry = revocation.registry
    return {
        "title": card.title if card else revocation.provider,
        "account": revocation.account_label,
        "given_up": revocation.state == RevocationState.ABANDONED,
        "settings_url": registry.account_settings_url if registry else "",
    }


def sign_in_again_subject(count: int, first: dict[str, Any]) -> str:
    subject = ngettext("Sign in to %(title)s again", "Sign in to %(count)d integrations again", count)
    return subject % {"title": first["title"], "count": count}


def expires_soon_subject(count: int, first: dict[str, Any]) -> str:
    subject = ngettext("%(title)s expires soon", "%(count)d integrations expire soon", count)
    return subject % {"title": first["title"], "count": count}


def not_confirmed_subject(count: int, first: dict[str, Any]) -> str:
    subject = ngettext("%(title)s didn’t confirm a revoke", "%(count)d revokes were not confirmed", count)
    return subject % {"title": first["title"], "count": count}
