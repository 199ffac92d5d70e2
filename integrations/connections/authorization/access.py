"""Who may sign in to which integration, checked at the start and again when the response arrives."""

from accounts.models import User
from integrations.models import admission
from integrations.models.card import Integration, build_integrations
from integrations.models.registry import SET_UP, Alias, OAuth2Credential
from integrations.models.system_integration import build_system_integration
from integrations.models.tokens import AuthorizationAttempt


class NotAvailable(Exception):
    """This person may not use it. Does not say whether it is missing, inactive or forbidden."""


def integration_for(user: User, credential: OAuth2Credential) -> Integration:
    """The integration that this person may sign in to with the credential: their own, or the system's."""
    if not credential.is_personal:
        return shared_integration_for(user, credential)
    for integration in build_integrations(
        user, admission.filter_admitted(user.pk, Alias.objects.personal_using(credential))
    ):
        return integration
    raise NotAvailable


def shared_integration_for(user: User, credential: OAuth2Credential) -> Integration:
    """The system's integration, for those who may change its set-up. It needs no alias."""
    if admission.is_on(credential) and user.is_staff and user.has_perm(SET_UP):
        return build_system_integration(credential)
    raise NotAvailable


def integration_behind(attempt: AuthorizationAttempt) -> Integration:
    """The integration of this attempt, whether the person may still use it or not."""
    if attempt.is_shared:
        return build_system_integration(attempt.credential)
    for integration in build_integrations(attempt.user, Alias.objects.complete().naming(attempt.credential)):
        return integration
    raise NotAvailable


def is_still_available(attempt: AuthorizationAttempt) -> bool:
    """Whether person, role, alias and credential type still allow this sign-in. Reads all of them again."""
    user = User.objects.filter(pk=attempt.user_id, is_active=True).first()
    credentials = OAuth2Credential.objects.filter(pk=attempt.credential_id, integration_type=attempt.integration_type)
    credential = credentials.select_related("profile__registry").first()
    if user is None or credential is None:
        return False
    try:
        integration_for(user, credential)
    except NotAvailable:
        return False
    return True
