"""What comes of an answer: tokens that are kept, a choice between two accounts, or the reason why not."""

import re
from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from integrations import tasks
from integrations.authorization.access import NotAvailable, still_available
from integrations.models import diary
from integrations.models.diary import EventKind
from integrations.models.registry import RevocationReach
from integrations.models.tokens import (
    UNSETTLED,
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    RevocationState,
    Token,
)
from integrations.oauth import client
from integrations.oauth.answers import TokenAnswer
from integrations.oauth.errors import Misconfigured, OAuthError

UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and halves of characters


def take(attempt: AuthorizationAttempt, fetch: Callable[[], TokenAnswer]) -> None:
    """Fetch the tokens and keep them, or write down why not. `NotAvailable` when there is nobody to keep them for."""
    try:
        answer = fetch()
    except OAuthError as error:
        fail(attempt, error.code, blames_us=isinstance(error, Misconfigured))
        return
    if not attempt.hold(answer):
        tasks.hurry(attempt.let_go(reason="no_longer_available", orphaned=True))
        raise NotAvailable
    attempt.registry.note_misconfigured("")
    attempt.account_id, attempt.account_label = account_of(attempt, answer)
    settle(attempt)


def fail(attempt: AuthorizationAttempt, code: str, *, blames_us: bool = False) -> None:
    attempt.finish(AttemptStatus.FAILED, failure_code=code)
    diary.write(attempt.user, attempt.credential, EventKind.SIGN_IN_FAILED, code)
    if blames_us:
        attempt.registry.note_misconfigured(code)


def account_of(attempt: AuthorizationAttempt, answer: TokenAnswer) -> tuple[str, str]:
    """Id and label of the account behind the token, where the set-up tells how. A sign-in doesn't fail for it."""
    claims: dict[str, object] = dict(answer.claims)
    if attempt.registry.userinfo_url:
        try:
            told = client.userinfo(attempt.registry.registration(), answer.access_token)
        except OAuthError:
            told = {}
        if claims.get("sub") in {None, told.get("sub")}:  # OpenID Connect Core §5.3.2: another subject is not believed
            claims |= told
    return (
        first_of(claims, attempt.registry.account_id_path),
        first_of(claims, attempt.registry.account_label_path),
    )


def first_of(claims: object, pointers: str) -> str:
    """The first of some JSON pointers (RFC 6901) that leads to something, as text."""
    for pointer in pointers.split():
        found = claims
        for step in pointer.lstrip("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if found not in (None, "") and not isinstance(found, dict | list):
            return UNSTORABLE.sub("", str(found))[:255]
    return ""


def settle(attempt: AuthorizationAttempt) -> None:
    """Keep what was fetched, or ask about another account, or let it go if the person may not have it any more."""
    try:
        settle_once(attempt)
    except IntegrityError:  # two first sign-ins at once: the other one's row is there now
        settle_once(attempt)


def settle_once(attempt: AuthorizationAttempt) -> None:
    answer = attempt.fetched()
    if answer is None:
        fail(attempt, "unreadable")
        return
    with transaction.atomic():
        stored = Token.objects.select_for_update().of(attempt.user, attempt.credential).first()
        if not still_available(attempt):
            tasks.hurry(attempt.let_go(reason="no_longer_available"))
            fail(attempt, "no_longer_available")
        elif stored and is_other_account(stored, attempt):
            attempt.finish(AttemptStatus.OTHER_ACCOUNT)
        else:
            keep(attempt, answer, stored)


def is_other_account(stored: Token, attempt: AuthorizationAttempt) -> bool:
    return bool(stored.account_id and attempt.account_id and stored.account_id != attempt.account_id)


def keep(attempt: AuthorizationAttempt, answer: TokenAnswer, stored: Token | None) -> None:
    """The fetched tokens become the person's only ones for this credential; in place, not beside."""
    fresh = attempt.token(answer)
    supersede(attempt)
    if stored:
        if must_be_revoked(stored, attempt):
            tasks.hurry(stored.promise_copy(reason="replaced"))
        fresh.pk, fresh.version = stored.pk, stored.version + 1
        fresh.last_used_at, fresh.last_used_by = stored.last_used_at, stored.last_used_by
        fresh._state.adding = False
    fresh.save()
    attempt.finish(AttemptStatus.CONNECTED)
    diary.write(attempt.user, attempt.credential, EventKind.CONNECTED, attempt.account_label)


def must_be_revoked(stored: Token, attempt: AuthorizationAttempt) -> bool:
    """Whether the tokens that are replaced are revoked at the provider.

    Not where one revocation ends everything that the person granted: it would end the new tokens too. Where that is not
    known, only when the old ones belong to another account, or to a sign-in that ran at the same time.
    """
    reach = attempt.registry.revocation_reach
    if is_other_account(stored, attempt) or reach == RevocationReach.TOKEN:
        return True
    return reach == RevocationReach.UNKNOWN and stored.signed_in_at > attempt.created_at


def supersede(attempt: AuthorizationAttempt) -> None:
    """Promises that would end the new grant are not kept, seen or not; the others only leave the card."""
    promises = Revocation.objects.filter(user=attempt.user, credential=attempt.credential, state__in=UNSETTLED)
    if attempt.registry.revocation_reach == RevocationReach.GRANT:
        for revocation in promises:
            if attempt.account_label in {"", revocation.account_label} or not revocation.account_label:
                revocation.settle(RevocationState.SUPERSEDED)
    promises.filter(dismissed_at__isnull=True).update(dismissed_at=timezone.now())


def choose(user: User, attempt: AuthorizationAttempt, *, switch: bool) -> None:
    """The person's word on another account than before: take it, or stay and let the new tokens go. Once."""
    if attempt.user_id != user.pk or attempt.status != AttemptStatus.OTHER_ACCOUNT:
        return
    with transaction.atomic():
        if not attempt.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.OTHER_ACCOUNT):
            return
        answer = attempt.fetched()
        if switch and answer and still_available(attempt):
            keep(attempt, answer, Token.objects.select_for_update().of(user, attempt.credential).first())
        else:
            tasks.hurry(attempt.let_go(reason="other_account_declined"))
            attempt.finish(AttemptStatus.CANCELLED, failure_code="other_account_declined")
