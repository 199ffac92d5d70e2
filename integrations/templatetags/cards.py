"""Template tags of a card: texts of its state, with the values of one integration."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from foundation.name_lists import isolate_name, join_names, join_sentences
from integrations.models.card import Integration
from integrations.models.card.parts import Note
from integrations.templatetags.keyrack import clock, countdown, day, left, relative, web_url, when

register = template.Library()

# Values that a text may contain, by name. `quick_attempts`: the attempts at a revoke within its first minute.
VALUES: dict[str, Callable[[Integration], Any]] = {
    "name": lambda card: isolate_name(card.title),
    "slug": attrgetter("alias.name"),
    "continue_url": attrgetter("continue_url"),
    "settings_url": lambda card: web_url(card.settings_url),
    "time_left": lambda card: left(card.expires_at),
    "expires": lambda card: relative(card.expires_at),
    "works_until": lambda card: clock(card.works_until),
    "down_since": lambda card: clock(card.down_since),
    "not_renewed_since": lambda card: clock(card.not_renewed_since),
    "restored_from": lambda card: clock(card.restored_from),
    "off_since": lambda card: day(card.off_since),
    "off_reason": lambda card: isolate_name(card.off_reason),
    "answer_by": lambda card: timezone.localtime(card.attempt.expires_at).isoformat() if card.attempt else "",
    "countdown": lambda card: countdown(card.attempt.seconds_left if card.attempt else 0),
    "attempt": lambda card: card.attempts or 1,
    "attempts": attrgetter("attempts"),
    "quick_attempts": attrgetter("max_attempts"),
    "last_answer": lambda card: card.last_answer.replace("http_", ""),
    "moved_by": lambda card: isolate_name(card.moved_by),
    "new_address": lambda card: isolate_name(card.address_moves[0].new),
}


class Values(dict[str, Any]):
    """Values of one integration, escaped, each computed only if a text contains it."""

    def __init__(self, integration: Integration) -> None:
        super().__init__()
        self.integration = integration

    def __missing__(self, name: str) -> Any:
        value = VALUES[name](self.integration)
        return conditional_escape(value) if isinstance(value, str) else value  # a number chooses the plural


@register.filter
def filled(text: Any, integration: Integration) -> SafeString:
    """The text with its values. The text itself is HTML of `models.card.states`."""
    return mark_safe(str(text % Values(integration)))  # noqa: S308


@register.filter
def short_facts(integration: Integration) -> SafeString:
    """What a compact row says beside the name: what it may do, and until when."""
    is_offer = not integration.has_token
    labels = integration.requested_scope_labels if is_offer else integration.scope_labels
    facts: list[str] = [join_names(labels[:2]) + (f" +{len(labels) - 2}" if len(labels) > 2 else "")]
    if not labels:
        facts = [integration.description]
    if not is_offer and integration.renews_itself:
        facts.append(_("Renews by itself"))
    elif not is_offer and integration.expires_at:
        facts.append(when(integration.expires_at))
    return format_html_join(" · ", "{}", ((fact,) for fact in facts if fact))


@register.filter
def note_text(note: Note, integration: Integration) -> SafeString:
    """The sentences of a note that apply to this integration."""
    return join_sentences(filled(text, integration) for text in integration.texts_of(note))
