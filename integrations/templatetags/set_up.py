"""What a page says about an integration that an administrator has to mend, and about a sign-in that has ended."""

from django import template

from integrations.models.card import Integration, compose
from integrations.models.registry import ApplicationRegistry, is_reported, who_was_told
from integrations.models.sign_in_urls import mend_url

register = template.Library()
register.filter("mend_url", mend_url)
register.filter("is_reported", is_reported)


@register.filter
def told_administrators(registry: ApplicationRegistry) -> str:
    """Whether the administrators know of it, as a sentence."""
    return who_was_told(registry)


@register.filter
def spoken_after_sign_in(integration: Integration) -> str:
    """For the live region, when the card comes back from "connecting"."""
    return compose(integration, integration.ended).spoken if integration.ended else integration.spoken
