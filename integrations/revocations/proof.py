"""Whether a revoked token is dead, by the provider's own word. Proof that cannot be had changes nothing."""

from enum import StrEnum

from django.utils import timezone

from integrations.models.tokens import Revocation
from integrations.oauth import client, transport
from integrations.oauth.errors import OAuthError

SECONDS = 10.0


class Verdict(StrEnum):
    DEAD = "dead"
    ALIVE = "alive"
    UNKNOWN = "unknown"


def is_possible(revocation: Revocation) -> bool:
    return bool(revocation.introspection_url or revocation.userinfo_url)


def examine(revocation: Revocation) -> Verdict:
    """The first that can be had: what introspection says, or how the account's own address takes the token."""
    with transport.deadline(SECONDS):
        for ask in (by_introspection, by_userinfo):
            try:
                verdict = ask(revocation)
            except OAuthError:
                continue
            if verdict != Verdict.UNKNOWN:
                return verdict
    return Verdict.UNKNOWN


def by_introspection(revocation: Revocation) -> Verdict:
    """RFC 7662, for each token that could still live. Only a false `false` is a proof.

    Each, because servers that know only access tokens call every refresh token inactive.
    """
    if not revocation.introspection_url:
        return Verdict.UNKNOWN
    registration = revocation.registration()
    told = [
        client.introspect(registration, getattr(revocation, name), hint=name).claims.get("active")
        for name in living(revocation)
    ]
    if any(active is True for active in told):
        return Verdict.ALIVE
    return Verdict.DEAD if all(active is False for active in told) else Verdict.UNKNOWN


def living(revocation: Revocation) -> list[str]:
    names = ["refresh_token"] if revocation.refresh_token else []
    return [*names, "access_token"] if outlives_now(revocation) or not names else names


def outlives_now(revocation: Revocation) -> bool:
    """By its own time. Of one that has run out, a refusal proves nothing."""
    expires_at = revocation.access_token_expires_at
    return bool(revocation.access_token) and (expires_at is None or expires_at > timezone.now())


def by_userinfo(revocation: Revocation) -> Verdict:
    if not revocation.userinfo_url or not outlives_now(revocation):
        return Verdict.UNKNOWN
    try:
        client.userinfo(revocation.registration(), revocation.access_token)
    except OAuthError as error:
        return Verdict.DEAD if error.status == 401 else Verdict.UNKNOWN
    return Verdict.ALIVE
