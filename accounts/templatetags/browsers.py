"""Template filter that names a browser by its User-Agent: a reminder for its user, no proof."""

from django import template
from django.utils.translation import gettext

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
