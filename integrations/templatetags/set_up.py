"""Template filters on integrations that are misconfigured, on sign-ins that have ended, and on explained access."""

from django import template

from integrations.models.addresses import registry_admin_url
from integrations.models.card import Integration, compose_outcome
from integrations.models.registry import ApplicationRegistry, administrators_sentence, is_reported
from integrations.provider_setup.explain_access import may_explain

register = template.Library()
register.filter("mend_url", registry_admin_url)
register.filter("is_reported", is_reported)
register.filter("may_explain_access", may_explain)


@register.filter
def told_administrators(registry: ApplicationRegistry) -> str:
    """A sentence on whether the administrators were told."""
    return administrators_sentence(registry)


@register.filter
def spoken_after_sign_in(integration: Integration) -> str:
    """The text for the live region when a card leaves the state "connecting"."""
    return compose_outcome(integration, integration.ended).spoken if integration.ended else integration.spoken
