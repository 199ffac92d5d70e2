"""The system's own sign-in at a provider, in the form in which pages know an integration. Nobody's card shows it."""

from django.utils import timezone

from integrations.models import admission
from integrations.models.card import Integration
from integrations.models.card.scopes import ScopeBook
from integrations.models.registry import Alias, OAuth2Credential
from integrations.models.tokens import Token


def shared_integration(credential: OAuth2Credential) -> Integration:
    """It stands on the credential alone, which lends its id and its name where other integrations have an alias."""
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
