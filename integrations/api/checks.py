"""System checks of the API."""

from typing import Any

from django.core.checks import CheckMessage, Warning, register


@register
def check_fast_path(**_options: Any) -> list[CheckMessage]:
    """Warn if unknown middleware turns the fast path off: the middleware must apply to all calls."""
    from integrations.api.fast_path import unknown_middleware  # needs the URL configuration

    hint = "Calls work, but slower. Put it before fast_path_middleware, or name it in fast_path.SKIPPED_MIDDLEWARE."
    return [
        Warning("The fast path of the API is off.", hint=hint, obj=name, id="keyrack.W004")
        for name in unknown_middleware()
    ]
