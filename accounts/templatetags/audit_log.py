"""Template tag for the changes of one row, on its history page in the admin."""

from typing import Any

from django import template

from accounts.audit import model_changes
from accounts.audit.models import Event

register = template.Library()

MAX_EVENTS = 200


@register.simple_tag
def changes_of(row: Any) -> list[Event]:
    return list(model_changes.history_of(row).select_related("who")[:MAX_EVENTS])
