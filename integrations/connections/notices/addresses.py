"""URLs in mails."""

from django.conf import settings
from django.urls import reverse


def absolute_url(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def dashboard_context() -> dict[str, str]:
    """Template context with the URL of the dashboard."""
    return {"dashboard_url": absolute_url(reverse("integrations:dashboard"))}
