"""Verification: whether the provider itself reports a revoked token as dead. Without proof, nothing changes.

"Inactive" is a proof only if the provider reported the same token as active before the revocation (the witness):
servers that know only access tokens report every refresh token as inactive, and some do so as soon as the access token
has expired. A refused refresh needs no witness.

Some providers authenticate the revocation with the person's access token, or accept no other token. A day after the
last call it has expired while the refresh token is still valid; to send the expired one would end nothing. So the token
is refreshed first, and a refusal is a proof, too.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from foundation.oauth_client import client, transport
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.dialects import Dialect
from foundation.oauth_client.error_codes import DEAD_REFRESH_TOKEN
from foundation.oauth_client.errors import OAuthError, Refused
from integrations.models import revocation_reach
from integrations.models.tokens import Revocation

WITNESS_SECONDS = 5.0  # short, because the revocation is sent after it
SECONDS = 10.0
REFRESHES_AT = (1, 5, 20)  # attempts after whose refusal a refresh is tried, because each one may grant new tokens
MARGIN = timedelta(seconds=30)  # for which an access token must still be valid

Check = Callable[[Revocation, str], bool | None]


class Verdict(StrEnum):
    DEAD = "dead"
    ALIVE = "alive"
    UNKNOWN = "unknown"


def collect_witnesses(revocation: Revocation) -> None:
    """Record which tokens the provider reports as active before they are revoked."""
    if revocation.told:  # one token is revoked already, so the provider's reports prove nothing
        return
    witnesses = {}
    with transport.deadline(WITNESS_SECONDS):
        for name in unexpired_tokens(revocation):
            for check_name in available_checks(revocation, name):
                if run_check(CHECKS[check_name], revocation, name):
                    witnesses[name] = {"by": check_name, "at": timezone.now().isoformat()}
                    break
    if witnesses != revocation.witnesses:
        revocation.note(witnesses=witnesses)


def verify(revocation: Revocation) -> Verdict:
    """Check the tokens again. DEAD only if each unexpired one is proved dead. Refreshes last: that may succeed."""
    verdicts = {}
    with transport.deadline(SECONDS):
        for name in unexpired_tokens(revocation):
            verdicts[name] = verdict_on(revocation, name)
            if verdicts[name] == Verdict.ALIVE:
                return Verdict.ALIVE
        if verdicts.get("refresh_token") == Verdict.UNKNOWN:
            verdicts["refresh_token"] = verdict_by_refresh(revocation)
    if Verdict.ALIVE in verdicts.values():
        return Verdict.ALIVE
    return Verdict.DEAD if verdicts and set(verdicts.values()) == {Verdict.DEAD} else Verdict.UNKNOWN


def proves_dead(revocation: Revocation) -> bool:
    """Whether other endpoints of the provider prove that a grant is dead which it has refused to revoke.

    The access token, if it has not expired, must be reported as dead by an endpoint that accepted it before: this one
    before the revocation, or userinfo at the sign-in. Otherwise a refused refresh is the proof.
    """
    with transport.deadline(SECONDS):
        if "access_token" in unexpired_tokens(revocation):
            results = {
                name: run_check(CHECKS[name], revocation, "access_token")
                for name in available_checks(revocation, "access_token")
            }
            if any(results.values()):
                return False
            for name, is_alive in results.items():
                was_alive = has_witness(revocation, "access_token", name) or (
                    name == "userinfo" and revocation.has_userinfo
                )
                if is_alive is False and was_alive:
                    return True
        may_refresh = bool(revocation.refresh_token) and revocation.attempts in REFRESHES_AT
        return may_refresh and verdict_by_refresh(revocation) == Verdict.DEAD


def verdict_on(revocation: Revocation, name: str) -> Verdict:
    """What introspection and userinfo report of this token. DEAD only from an endpoint that is its witness."""
    for check_name in available_checks(revocation, name):
        is_alive = run_check(CHECKS[check_name], revocation, name)
        if is_alive:
            return Verdict.ALIVE
        if is_alive is False and has_witness(revocation, name, check_name):
            return Verdict.DEAD
    return Verdict.UNKNOWN


def verdict_by_refresh(revocation: Revocation) -> Verdict:
    """Try a refresh. ALIVE: the provider granted new tokens, which must be revoked now.

    UNKNOWN if a newer sign-in may share the grant: a server may take the refresh for a stolen token and end the grant.
    """
    if revocation_reach.would_end_a_newer_grant(revocation) or revocation_reach.may_end_a_coming_grant(revocation):
        return Verdict.UNKNOWN
    try:
        return Verdict.DEAD if refresh_is_refused(revocation) else Verdict.ALIVE
    except OAuthError:
        return Verdict.UNKNOWN


def unexpired_tokens(revocation: Revocation) -> list[str]:
    """Names of tokens that have not expired. For an expired access token, "inactive" proves nothing."""
    names = ["refresh_token"] if revocation.refresh_token else []
    return [*names, "access_token"] if access_token_valid_at(revocation, timezone.now()) else names


def access_token_valid_at(revocation: Revocation, moment: datetime) -> bool:
    """Whether the access token has not expired at this moment."""
    expires_at = revocation.access_token_expires_at
    return bool(revocation.access_token) and (expires_at is None or expires_at > moment)


def available_checks(revocation: Revocation, name: str) -> Iterator[str]:
    if revocation.introspection_url:
        yield "introspection"
    if revocation.userinfo_url and name == "access_token":
        yield "userinfo"


def has_witness(revocation: Revocation, name: str, check_name: str) -> bool:
    """Whether the same endpoint reported the same token as active.

    Does not count for a refresh token if the access token has expired since: some servers report both as inactive then.
    """
    witness = revocation.witnesses.get(name, {})
    if witness.get("by") != check_name:
        return False
    was_valid = access_token_valid_at(revocation, datetime.fromisoformat(witness["at"]))
    return name == "access_token" or not was_valid or access_token_valid_at(revocation, timezone.now())


def run_check(check: Check, revocation: Revocation, name: str) -> bool | None:
    """Whether the token is active. None: no clear answer."""
    with suppress(OAuthError):
        return check(revocation, name)
    return None


def check_by_introspection(revocation: Revocation, name: str) -> bool | None:
    """Introspect the token (RFC 7662). Anything but the JSON values `true` and `false` is no answer."""
    result = client.introspect(revocation.registration(), getattr(revocation, name), hint=name)
    active = result.claims.get("active")
    return active if isinstance(active, bool) else None


def check_by_userinfo(revocation: Revocation, name: str) -> bool | None:
    try:
        client.userinfo(revocation.registration(), getattr(revocation, name))
    except OAuthError as error:
        return False if error.status == 401 else None
    return True


CHECKS: dict[str, Check] = {"introspection": check_by_introspection, "userinfo": check_by_userinfo}


def is_dead_by_its_refresh_token(revocation: Revocation, dialect: Dialect) -> bool:
    """Refresh the access token if the dialect needs a valid one. True if the refusal proves that both are dead."""
    if not needs_valid_access_token(revocation, dialect) or has_valid_access_token(revocation):
        return False
    if not revocation.refresh_token or not refresh_is_refused(revocation):
        return False
    return not access_token_valid_at(revocation, timezone.now())


def refresh_is_refused(revocation: Revocation) -> bool:
    """Send a refresh request (RFC 6749 §6). True if the provider refuses exactly this refresh token.

    False if it grants new tokens, which replace those of the revocation. Raises `OAuthError` if the response proves
    nothing. That includes a refusal after an earlier response was lost (the token may have been spent, and its
    successor is valid), and one to a registration that the provider has not accepted since it was changed.
    """
    may_be_spent = revocation.may_be_spent
    is_proof = revocation.is_registration_proven and not may_be_spent
    revocation.note(refresh_asked_at=timezone.now(), told=revocation.told)
    try:
        answer = client.refresh(revocation.registration(), refresh_token=revocation.refresh_token)
    except OAuthError as error:
        if 400 <= error.status < 500 and not may_be_spent:  # the server granted nothing
            revocation.note(refresh_asked_at=None)
        is_about_token = error.code in DEAD_REFRESH_TOKEN or (
            error.meaning == "sign_in_over" and not error.is_ambiguous
        )
        if isinstance(error, Refused) and is_about_token and is_proof:
            revocation.last_answer = error.code
            return True
        raise
    store_tokens(revocation, answer)
    return False


def needs_valid_access_token(revocation: Revocation, dialect: Dialect) -> bool:
    return dialect.send == ("access_token",) or "access_token" in dialect.needs(revocation.revocation_url)


def has_valid_access_token(revocation: Revocation) -> bool:
    return access_token_valid_at(revocation, timezone.now() + MARGIN)


def store_tokens(revocation: Revocation, answer: TokenAnswer) -> None:
    """Commit the new tokens before they are used, because the old refresh token may be spent.

    A revocation that was settled meanwhile stays without tokens. None of the new tokens counts as revoked yet.
    """
    revocation.access_token = answer.access_token
    revocation.refresh_token = answer.refresh_token or revocation.refresh_token
    lifetime = answer.expires_in
    revocation.access_token_expires_at = None if lifetime is None else timezone.now() + timedelta(seconds=lifetime)
    revocation.refresh_asked_at, revocation.witnesses, revocation.told = None, {}, []
    revocation.is_refusal_proof, revocation.granted_at = True, timezone.now()
    with transaction.atomic():
        if Revocation.objects.select_for_update().undelivered().filter(pk=revocation.pk).exists():
            fields = ["access_token", "refresh_token", "access_token_expires_at"]
            revocation.save(
                update_fields=[*fields, "refresh_asked_at", "is_refusal_proof", "granted_at", "witnesses", "told"]
            )
