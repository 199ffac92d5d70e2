"""Reach of a revocation: which other integrations it ends, and which pending revocations a new sign-in conflicts with.

At some providers, all that a person granted to a client is one grant, however many sign-ins there were
(`ApplicationRegistry.revocation_reach`). Read-only.
"""

from django.utils import timezone

from accounts.models import User
from integrations.models.card import Integration, integrations_of
from integrations.models.registry import RevocationReach
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Revocation, Token

Accounted = Token | Revocation | AuthorizationAttempt


def may_be_one_account(first: Accounted, second: Accounted) -> bool:
    """Whether both may belong to one account. True if neither ids nor labels can be compared."""
    if first.account_id and second.account_id:
        return first.account_id == second.account_id
    return not first.account_label or not second.account_label or first.account_label == second.account_label


def also_ended(user: User, integration: Integration) -> list[Integration]:
    """Other integrations of this person that a revocation ends: those with the same token, or the same grant."""
    token = integration.token
    if token is None:
        return []
    others = [row for row in integrations_of(user) if row.alias.pk != integration.alias.pk and row.token]
    return [row for row in others if row.token and hangs_on(row.token, token, integration)]


def hangs_on(other: Token, token: Token, integration: Integration) -> bool:
    if other.pk == token.pk:
        return True
    registry = integration.registry
    is_one_grant = registry.revocation_reach == RevocationReach.GRANT
    return is_one_grant and other.credential.registry == registry and may_be_one_account(other, token)


def conflicting_revocations(attempt: AuthorizationAttempt) -> list[Revocation]:
    """Revocations under way that would end what this sign-in has just been granted."""
    if attempt.registry.revocation_reach != RevocationReach.GRANT:
        return []
    revocations = Revocation.objects.undelivered().filter(user=attempt.owner, registry=attempt.registry)
    if not attempt.owner:  # a revocation without a user, but with a name, is a deleted person's
        revocations = revocations.filter(username="")
    return [revocation for revocation in revocations if may_be_one_account(revocation, attempt)]


def would_end_a_newer_grant(revocation: Revocation) -> bool:
    """Whether the person has signed in since, so that the revocation would end the new grant."""
    if not is_about_a_grant(revocation):
        return False
    newer_tokens = Token.objects.filter(
        user=revocation.user, credential__profile__registry=revocation.registry, signed_in_at__gt=revocation.created_at
    )
    return any(may_be_one_account(token, revocation) for token in newer_tokens)


def may_end_a_coming_grant(revocation: Revocation) -> bool:
    """Whether the person is signing in there now. The provider may get either of the two requests first."""
    if not is_about_a_grant(revocation):
        return False
    open_attempts = AuthorizationAttempt.objects.filter(
        status__in=(AttemptStatus.PENDING, AttemptStatus.CLAIMED), expires_at__gt=timezone.now()
    )
    return open_attempts.filter(user=revocation.user, registry=revocation.registry).exists()


def is_about_a_grant(revocation: Revocation) -> bool:
    """Whether it can end a whole grant: of a person who may still sign in, at a registry that still exists."""
    person, registry = revocation.user, revocation.registry
    return bool(person and person.is_active and registry and registry.revocation_reach == RevocationReach.GRANT)
