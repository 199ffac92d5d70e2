"""Template filters on integrations that are misconfigured, and on sign-ins that have ended."""

from django import template

from integrations.models.card import Integration, compose
from integrations.models.registry import ApplicationRegistry, is_reported, who_was_told
from integrations.models.sign_in_urls import mend_url

register = template.Library()
register.filter("mend_url", mend_url)
register.filter("is_reported", is_reported)


@register.filter
def told_administrators(registry: ApplicationRegistry) -> str:
    """A sentence on whether the administrators were told."""
    return who_was_told(registry)


@register.filter
def spoken_after_sign_in(integration: Integration) -> str:
    """The text for the live region when a card leaves the state "connecting"."""
    return compose(integration, integration.ended).spoken if integration.ended else integration.spoken
