"""The system's own sign-in at a provider, as an `Integration` for pages. It is on no person's dashboard."""

from django.utils import timezone

from integrations.models import admission
from integrations.models.card import Integration
from integrations.models.card.scopes import ScopeBook
from integrations.models.registry import Alias, OAuth2Credential
from integrations.models.tokens import Token


def build_system_integration(credential: OAuth2Credential) -> Integration:
    """Build the integration from the credential alone, with an alias made of the credential's id and name."""
    return Integration(
        alias=Alias(pk=credential.pk, name=credential.name, label=credential.name),
        credential=credential,
        token=Token.objects.of(None, credential).with_failed_renewals().first(),
        attempt=None,
        revocation=None,
        settled=None,
        scopes=ScopeBook({credential.registry.pk}),
        now=timezone.now(),
        is_on=admission.is_on(credential),
    )
