"""Who may sign in to what, now and at the moment the answer comes."""

from accounts.models import User
from integrations.models.integration import Integration, assemble
from integrations.models.registry import Alias, OAuth2Credential
from integrations.models.tokens import (
    AuthorizationAttempt,
)


class NotAvailable(Exception):
    """Not this person's to use: not there, not active, not allowed. All alike."""


def integration_for(user: User, credential: OAuth2Credential) -> Integration:
    """An integration of this person, turned on, that stands on the credential."""
    for integration in assemble(user, Alias.objects.standing_on(credential).available_to(user)):
        if integration.is_on:
            return integration
    raise NotAvailable


def integration_behind(attempt: AuthorizationAttempt) -> Integration:
    """What this person tried to sign in to, whether they may still use it or not."""
    for integration in assemble(attempt.user, Alias.objects.complete().naming(attempt.credential)):
        return integration
    raise NotAvailable


def still_available(attempt: AuthorizationAttempt) -> bool:
    """The person, the role, the alias and the type of credential are as they were at the start. Read anew."""
    user = User.objects.filter(pk=attempt.user_id, is_active=True).first()
    credential = OAuth2Credential.objects.select_related("profile__registry").filter(pk=attempt.credential_id).first()
    if user is None or credential is None:
        return False
    try:
        integration_for(user, credential)
    except NotAvailable:
        return False
    return True
