"""The changes of one row, for its history page in the admin."""

from typing import Any

from django import template

from accounts import audit
from accounts.models import Event

register = template.Library()

SHOWN = 200


@register.simple_tag
def changes_of(row: Any) -> list[Event]:
    return list(audit.history_of(row).select_related("who")[:SHOWN])
