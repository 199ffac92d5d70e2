"""Access tokens that a third party refuses before they expire: one renewal, and a brake on the next.

A renewal does not cure every refusal: a missing permission is a 401 at some providers, with each call. Renewing again
and again would use up refresh tokens and quotas of other people. So after a renewal that was not seen to help, the next
one has to wait, longer each time. This is stored with the token, for all processes.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from foundation import database
from foundation.oauth_client import client
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.current_token import current, refuse_lost_access, renew
from integrations.connections.renewal.refresh_request import end_token
from integrations.connections.renewal.validity import NoUsableToken, Versioned
from integrations.models.events import EventKind
from integrations.models.registry import OAuth2Credential
from integrations.models.tokens import Token

FIRST_PAUSE = timedelta(minutes=5)  # after a renewal that did not help; doubled each time
LONGEST_PAUSE = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=1)
REFUSED = "token_refused"


class RefusedAgain(NoUsableToken):
    """The third party refuses a token, and renewing it does not help. `retry_after`: seconds until it may."""

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__(REFUSED)
        self.retry_after = retry_after


class Refusal(Protocol):
    """What is known of the refusal. `is_certain`: it is the third party's word about this token."""

    @property
    def is_certain(self) -> bool: ...


def renew_refused(token: Versioned, stored: Token, refusal: Refusal) -> Token | None:
    """A newer token than the one that was refused. None if the token is not renewed now, or could not be.

    `stored`: its row, a moment ago.
    """
    if stored.version == token.version:
        if seconds_to_wait(stored) > 0:
            return None
        note_forced(stored, refusal)
    renewed = refuse_lost_access(renew(token, is_rejected=True))
    return None if renewed.version == token.version else renewed


def seconds_to_wait(token: Token) -> float:
    """Seconds until a refusal may force a renewal of this token; 0 if it may now."""
    return max(0.0, (earliest_renewal(token) - timezone.now()).total_seconds())


def earliest_renewal(token: Token) -> datetime:
    now = timezone.now()
    moments = [now + timedelta(seconds=journal.seconds_until_allowed(token))]
    # The version that was refused may be renewed, by all that wait for it. Its successors are under suspicion.
    if token.forced_at and token.unhelpful_renewals and token.version > token.forced_version:
        moments.append(token.forced_at + pause_before_renewal(token.unhelpful_renewals))
    return max(moments)


def pause_before_renewal(unhelpful_renewals: int) -> timedelta:
    factor: int = 2 ** min(unhelpful_renewals - 1, 8)
    return min(FIRST_PAUSE * factor, LONGEST_PAUSE)


def note_forced(token: Token, refusal: Refusal) -> None:
    """Record that a refusal forces a renewal, which counts as unhelpful until it is seen to help.

    A token without a known end that the third party calls dead has ended: it must not be used if the renewal fails.
    """
    now, count = timezone.now(), token.unhelpful_renewals
    follows = token.forced_at is not None and now - token.forced_at < FORGOTTEN_AFTER
    is_successor = follows and token.version > token.forced_version
    values = {
        "forced_at": now,
        "forced_version": token.version,
        "unhelpful_renewals": count + 1 if is_successor else 1,
    }
    rows = Token.objects.filter(pk=token.pk, version=token.version)
    rows.update(**values)
    if refusal.is_certain:
        rows.filter(expires_at__isnull=True).update(expires_at=now)


def note_cured(token: Token) -> None:
    """Record that the third party accepts the renewed token."""
    set_unhelpful_renewals(token, 0)


def note_unused(token: Token) -> None:
    """Record that the renewed token was not tried, because the call could not be repeated."""
    set_unhelpful_renewals(token, 1)


def set_unhelpful_renewals(token: Token, count: int) -> None:
    if token.unhelpful_renewals != count:
        Token.objects.filter(pk=token.pk, version=token.version).update(unhelpful_renewals=count)


def note_claims(token: Token, claims: str) -> None:
    """Store what the next sign-in has to ask for, because a third party demands it of a call. The sign-in goes on."""
    if claims and claims != token.claims_challenge:
        Token.objects.filter(pk=token.pk, version=token.version).update(claims_challenge=claims)


def require_sign_in(token: Token, code: str) -> None:
    """Store that only a new sign-in helps, because the third party says so."""
    with transaction.atomic():
        stored = leases.lock_row(token)
        if stored:
            end_token(stored, token.failure_code or code, EventKind.REAUTH_NEEDED)


def replace_refused(
    user: User | None, credential: OAuth2Credential, refused: str, *, connection_url: str = ""
) -> Token:
    """A token in the place of one that was handed out, and that a third party refused.

    `refused`: that access token, or the hexadecimal SHA-256 of it. If it is another than the stored one, the report is
    late and the stored one is the answer. Raises what `current` raises, and `RefusedAgain`.
    """
    token = current(user, credential, connection_url=connection_url)
    if not is_same_token(token.access_token, refused):
        return token
    if not token.renews_itself:
        end_unless_accepted(token)
        raise NoUsableToken("invalid_token")
    wait = seconds_to_wait(token)
    if wait > 0:
        raise RefusedAgain(wait)
    renewed = renew_refused(token, token, Reported())
    if renewed is None:  # the renewal failed, and the token's known end is still to come
        raise journal.last_failure(token)
    return renewed


class Reported:
    """A refusal that a program reports."""

    is_certain = True


def is_same_token(access_token: str, reported: str) -> bool:
    """Whether this token was reported, by itself or by its SHA-256."""
    digest = hashlib.sha256(access_token.encode()).hexdigest()
    pairs = ((access_token, reported), (digest, reported.lower()))
    return any(hmac.compare_digest(ours.encode(), theirs.encode(errors="replace")) for ours, theirs in pairs)


def end_unless_accepted(token: Token) -> None:
    """End a token without a known end that a program reports, unless the provider's userinfo endpoint accepts it.

    Raises `RefusedAgain` if it does, and `Unreachable` if it does not answer. One with a known end is used until then.
    """
    registry = token.credential.registry
    if token.expires_at is not None:
        return
    if registry.userinfo_url:
        database.release_connection()
        if is_accepted(token):
            raise RefusedAgain
    Token.objects.filter(pk=token.pk, version=token.version).update(expires_at=timezone.now())


def is_accepted(token: Token) -> bool:
    """Whether the userinfo endpoint accepts the access token. An answer that says neither counts as no."""
    registration, base_url = token.credential.registry.registration(), token.agreed_base_url
    try:
        client.userinfo(registration, token.access_token, base_url=base_url)
    except Unreachable as error:
        if error.status == 403:  # a page of a firewall, or a missing scope
            return False
        raise
    except OAuthError:
        return False
    return True
