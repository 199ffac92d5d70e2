"""What `manage.py check` says of the API."""

from typing import Any

from django.core.checks import CheckMessage, Warning, register


@register
def fast_path_is_on(**_options: Any) -> list[CheckMessage]:
    """A middleware that the fast path does not know turns it off: it must hold for all calls."""
    from integrations.api.fast_path import unknown_middleware  # needs the URL configuration

    hint = "Calls are right, and slower. Put it in front of for_programs, or name it in fast_path.SKIPPED_MIDDLEWARE."
    return [
        Warning("The fast path of the API is off.", hint=hint, obj=name, id="keyrack.W004")
        for name in unknown_middleware()
    ]
