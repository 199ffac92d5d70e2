"""Who may sign in to what, now and at the moment the answer comes."""

from accounts.models import User
from integrations.models import admission
from integrations.models.card import Integration, assemble
from integrations.models.registry import SET_UP, Alias, OAuth2Credential
from integrations.models.system_integration import shared_integration
from integrations.models.tokens import (
    AuthorizationAttempt,
)


class NotAvailable(Exception):
    """Not this person's to use: not there, not active, not allowed. All alike."""


def integration_for(user: User, credential: OAuth2Credential) -> Integration:
    """What this person may sign in to with the credential: an integration of theirs, or the system's own."""
    if not credential.is_personal:
        return shared_for(user, credential)
    for integration in assemble(user, admission.admitted(user.pk, Alias.objects.standing_on(credential))):
        return integration
    raise NotAvailable


def shared_for(user: User, credential: OAuth2Credential) -> Integration:
    """The system's sign-in is for those who may change what it signs in with. It needs no alias."""
    if admission.is_on(credential) and user.is_staff and user.has_perm(SET_UP):
        return shared_integration(credential)
    raise NotAvailable


def integration_behind(attempt: AuthorizationAttempt) -> Integration:
    """What this person tried to sign in to, whether they may still use it or not."""
    if attempt.is_shared:
        return shared_integration(attempt.credential)
    for integration in assemble(attempt.user, Alias.objects.complete().naming(attempt.credential)):
        return integration
    raise NotAvailable


def still_available(attempt: AuthorizationAttempt) -> bool:
    """The person, the role, the alias and the type of credential are as they were at the start. Read anew."""
    user = User.objects.filter(pk=attempt.user_id, is_active=True).first()
    same = OAuth2Credential.objects.filter(pk=attempt.credential_id, integration_type=attempt.integration_type)
    credential = same.select_related("profile__registry").first()
    if user is None or credential is None:
        return False
    try:
        integration_for(user, credential)
    except NotAvailable:
        return False
    return True
