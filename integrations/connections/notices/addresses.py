"""Addresses in mails."""

from django.conf import settings
from django.urls import reverse


def absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def dashboard() -> dict[str, str]:
    return {"dashboard_url": absolute(reverse("integrations:dashboard"))}
