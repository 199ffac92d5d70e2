"""Template filters on integrations that are misconfigured, on sign-ins that have ended, and on explained access."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from accounts import privileges
from foundation import name_lists
from foundation.name_lists import isolate_name
from integrations.models.addresses import registry_admin_url
from integrations.models.card import Integration, compose_outcome
from integrations.models.definitions import OfferedScope
from integrations.models.registry import ApplicationRegistry, administrators_sentence, is_reported
from integrations.models.template_texts import shown_description, shown_scope_name
from integrations.models.tokens import Token
from integrations.provider_setup.explain_access import may_explain
from integrations.provider_setup.overview import Sentence
from integrations.templatetags.keyrack import clock

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


@register.filter
def in_words(sentence: Sentence) -> SafeString:
    """The sentence with its values: moments in the reader's time, texts escaped."""
    return mark_safe(sentence.text % {name: value_in_words(value) for name, value in sentence.values.items()})  # noqa: S308


def value_in_words(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock(value)
    return value if isinstance(value, int) else conditional_escape(isolate_name(str(value)))


@register.filter
def may_view_sign_ins(user: Any) -> bool:
    """Whether the user may open pages about people's sign-ins."""
    return privileges.may_view(user, Token)


@register.filter
def has_permission(user: Any, permission: str) -> bool:
    """Whether the user has the permission."""
    return bool(user.has_perm(permission))


register.filter(shown_description)
register.filter(shown_scope_name)


@register.filter
def join_names(scopes: Iterable[OfferedScope]) -> str:
    """The names of scopes, in one line."""
    return name_lists.join_names(shown_scope_name(scope.name) for scope in scopes)
