"""Mails about sign-ins to people who must do something. `administrator_notices` has those to administrators.

Mails name accounts and URLs of this site, and no error code of a provider. Does not know why tokens fail or how
revocations are delivered.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from accounts import preferences, recipients
from accounts.models import User
from foundation import mail_outbox
from foundation.mail_outbox import DueMail, Line, Mail
from integrations.connections.administrator_notices import mails_to_administrators
from integrations.connections.notice_subjects import (
    expires_soon_subject,
    not_confirmed_subject,
    sign_in_again_subject,
    subject_about,
)
from integrations.models.addresses import absolute_url, initiator_url
from integrations.models.card import Integration, integrations_of
from integrations.models.tokens import (
    INTERRUPTED,
    Revocation,
    RevocationState,
    Token,
    TokenQuerySet,
    TokenState,
    refresh_token_is_over,
)

READ_AT_MOST = 500  # rows of one kind
SIGN_IN_AGAIN, UNCONFIRMED = "needs_reauth", "unconfirmed"
# How long before the end a person is warned, the last warning first. Never in the first half of a token's life.
LEADS = {"day": timedelta(days=1), "week": timedelta(days=7)}
EARLIER_NOTICES = {"day": ["", "week"], "week": [""]}


def send_due(others: Iterable[DueMail] = ()) -> None:
    """Send the mails that are due, and then the `others`, within the time of one run. Safe to repeat."""
    mail_outbox.send_due(chain(due_mails(timezone.now()), others))


def due_mails(now: datetime) -> Iterator[DueMail]:
    """Mails that are due, read lazily: rows that an earlier mail was about are not found again."""
    yield from mails_to_administrators(now)
    yield from mails_to_people(now)


def dashboard_context() -> dict[str, str]:
    """Template context with the URL of the dashboard."""
    return {"dashboard_url": absolute_url(reverse("integrations:dashboard"))}


def mails_to_people(now: datetime) -> Iterator[DueMail]:
    """Sign in again, renew in time, or check a revoke that the provider did not confirm."""
    for user, tokens in by_person(refused_tokens(now), SIGN_IN_AGAIN):
        compose = partial(mail_about_tokens, user, tokens, "sign_in_again", sign_in_again_subject, notice=SIGN_IN_AGAIN)
        yield DueMail(key=mail_outbox.key_of(SIGN_IN_AGAIN, user), compose=compose)
    for notice in LEADS:
        for user, tokens in chain.from_iterable(by_person(rows, notice) for rows in ending_tokens(now, notice)):
            compose = partial(mail_about_tokens, user, tokens, "ending", expires_soon_subject, notice=notice)
            yield DueMail(key=mail_outbox.key_of(notice, user), compose=compose)
    for user, revocations in by_person(revocations_to_report(), UNCONFIRMED):
        compose = partial(mail_about_revocations, user, revocations)
        yield DueMail(key=mail_outbox.key_of(UNCONFIRMED, user), compose=compose)


def by_person(rows: QuerySet[Any], notice: str) -> Iterator[tuple[User, list[Any]]]:
    """Group rows by user, in random order, so that a user whose mail always fails does not always come first."""
    reachable = mail_outbox.exclude_deferred(with_mail_address(rows), notice, "user_id").select_related("user")
    limited = reachable.order_by("user_id")[:READ_AT_MOST]
    people = [(user, list(user_rows)) for user, user_rows in groupby(limited, key=lambda row: row.user)]
    random.shuffle(people)
    yield from people


def with_mail_address(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Rows of users about whom somebody can be mailed."""
    return rows.filter(user__in=recipients.reachable_users())


def must_sign_in_again() -> TokenQuerySet:
    """Tokens that have ended and whose owner got no mail about it."""
    return Token.objects.filter(state=TokenState.NEEDS_REAUTH).exclude(notice=SIGN_IN_AGAIN)


def refused_tokens(now: datetime) -> TokenQuerySet:
    """Tokens that the provider refused, or whose renewal was interrupted and that have expired since.

    Who was refused is told at once, also while the access token still works.
    """
    is_over = Q(expires_at__lte=now) | ~Q(failure_code=INTERRUPTED)
    ends = Q(state=TokenState.NEEDS_REAUTH) | Q(is_over & ~Q(failure_code=""), state=TokenState.VALID)
    return Token.objects.filter(ends).exclude(notice=SIGN_IN_AGAIN)


def ending_tokens(now: datetime, notice: str) -> list[TokenQuerySet]:
    """Tokens that cannot be renewed and expire soon: without a refresh token, or past its end. Each by its index."""
    lead, granted_at = LEADS[notice], Coalesce("refreshed_at", "signed_in_at")
    middle = ExpressionWrapper(granted_at + lead * 2, output_field=DateTimeField())
    rows = Token.objects.filter(state=TokenState.VALID, notice__in=EARLIER_NOTICES[notice])
    ending = rows.filter(expires_at__gt=now, expires_at__lte=now + lead, expires_at__gte=middle)
    over = ending.filter(refresh_token_is_over(now), refresh_token__isnull=False)
    return [ending.filter(refresh_token__isnull=True), over]


def revocations_to_report() -> QuerySet[Revocation]:
    """Revocations by a person that the provider did not confirm within the attempts of the first minute."""
    is_given_up = Q(state__in=[RevocationState.FAILED, RevocationState.ABANDONED])
    rows = Revocation.objects.select_related("registry").exclude(notice=UNCONFIRMED)
    return rows.filter(is_given_up, by_the_person=True, dismissed_at=None)


def mail_about_tokens(
    user: User, tokens: list[Token], template: str, subject: Callable[..., str], *, notice: str
) -> Mail:
    cards = cards_of(user)
    lines = [
        Line(
            row=token,
            column="notice",
            value=notice,
            only_while={"version": token.version, "state": token.state},
            words=token_words(token, cards.get(token.credential_id)),
        )
        for token in tokens
    ]
    return Mail(
        to=recipients.find_addresses(user),
        template=f"integrations/mail/{template}{'_of_bot' if user.is_bot else ''}.txt",
        subject=subject_about(user, subject),
        lines=lines,
        context={**dashboard_context(), "bot": user.get_username()},
        **preferences.mail_options(user),
    )


def cards_of(user: User) -> dict[UUID, Integration]:
    """Integrations of this user by credential, without those that are turned off."""
    return {row.credential.pk: row for row in integrations_of(user) if row.is_on}


def token_words(token: Token, card: Integration | None) -> dict[str, Any] | None:
    if card is None:
        return None
    return {
        "title": card.title,
        "account": token.account_label,
        "url": absolute_url(initiator_url(card.credential)),
        "ends_at": token.expires_at,
        "works_until": token.expires_at if token.usable_for() else None,
        "was_interrupted": card.was_interrupted,
        "was_answer_lost": card.was_answer_lost,
        "was_restored": card.was_restored,
    }


def mail_about_revocations(user: User, revocations: list[Revocation]) -> Mail:
    cards = cards_of(user)
    lines = [
        Line(
            row=revocation,
            column="notice",
            value=UNCONFIRMED,
            only_while={"state": revocation.state},
            words=revocation_words(
                revocation, cards.get(revocation.credential_id) if revocation.credential_id else None
            ),
        )
        for revocation in revocations
    ]
    return Mail(
        to=recipients.find_addresses(user),
        template=f"integrations/mail/not_confirmed{'_of_bot' if user.is_bot else ''}.txt",
        subject=subject_about(user, not_confirmed_subject),
        lines=lines,
        context={**dashboard_context(), "bot": user.get_username()},
        **preferences.mail_options(user),
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
