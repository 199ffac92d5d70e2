"""Where one revocation ends more than one sign-in: whom it hits, and what a new sign-in makes of older promises.

At some providers all that a person granted to a client is one grant, however many sign-ins there were
(`ApplicationRegistry.revocation_reach`). Only asks; nothing is written here.
"""

from django.utils import timezone

from accounts.models import User
from integrations.models.card import Integration, integrations_of
from integrations.models.registry import RevocationReach
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Revocation, Token

Accounted = Token | Revocation | AuthorizationAttempt


def may_be_one_account(one: Accounted, other: Accounted) -> bool:
    """Where neither id nor label is known of both, it may be."""
    if one.account_id and other.account_id:
        return one.account_id == other.account_id
    return not one.account_label or not other.account_label or one.account_label == other.account_label


def also_ended(user: User, integration: Integration) -> list[Integration]:
    """What else this person loses by revoking this one: what shares its token, or the grant behind it."""
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


def promises_against(attempt: AuthorizationAttempt) -> list[Revocation]:
    """Those that would end what this sign-in has just been granted."""
    if attempt.registry.revocation_reach != RevocationReach.GRANT:
        return []
    promises = Revocation.objects.unkept().filter(user=attempt.owner, registry=attempt.registry)
    theirs = promises if attempt.owner else promises.filter(username="")  # else of people who were deleted meanwhile
    return [promise for promise in theirs if may_be_one_account(promise, attempt)]


def would_end_a_newer_grant(promise: Revocation) -> bool:
    if not is_about_a_grant(promise):
        return False
    newer = Token.objects.filter(
        user=promise.user, credential__profile__registry=promise.registry, signed_in_at__gt=promise.created_at
    )
    return any(may_be_one_account(token, promise) for token in newer)


def may_end_a_coming_grant(promise: Revocation) -> bool:
    """A sign-in of the same person is under way there: nobody can say which of the two the provider hears first."""
    if not is_about_a_grant(promise):
        return False
    open_ones = AuthorizationAttempt.objects.filter(
        status__in=(AttemptStatus.PENDING, AttemptStatus.CLAIMED), expires_at__gt=timezone.now()
    )
    return open_ones.filter(user=promise.user, registry=promise.registry).exists()


def is_about_a_grant(promise: Revocation) -> bool:
    """Of a person who may still sign in, at a registry that is still there."""
    person, registry = promise.user, promise.registry
    return bool(person and person.is_active and registry and registry.revocation_reach == RevocationReach.GRANT)
