"""Template filter that names a browser, and tag for the changes of one row on its history page in the admin."""

from typing import Any

from django import template
from django.utils.translation import gettext

from accounts.audit import model_changes
from accounts.audit.models import Event

register = template.Library()

# The first match counts: most browsers claim to be several others as well.
NAMES = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac", "Linux")


@register.filter
def browser(user_agent: str) -> str:
    name = next((words for mark, words in NAMES.items() if mark in user_agent), "")
    system = next((mark for mark in SYSTEMS if mark in user_agent), "")
    if name and system:
        return gettext("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or system or user_agent[:60] or gettext("An unknown browser")


MAX_EVENTS = 200


@register.simple_tag
def changes_of(row: Any) -> list[Event]:
    return list(model_changes.history_of(row).select_related("who")[:MAX_EVENTS])
