"""What a person reads before they allow a program: its scopes in words, and integrations to choose from.

And what the audit log says of it afterwards.
"""

from typing import Any

from django.conf import settings
from django.utils import translation
from oauth2_provider.settings import oauth2_settings

from accounts import scopes
from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.models import Application
from foundation.name_lists import without_isolation

TICKED_AT_MOST = 12  # integrations; of more, people tick what they want


def application_context(application: Application) -> dict[str, Any]:
    """Who asks, in which version, and for how long."""
    return {
        "application": application,
        "shown_version": approved_version(application),
        "minutes": oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS // 60,
        "days": settings.REFRESH_TOKEN_FAMILY_LIFETIME.days,
    }


def scopes_context(user: User, requested: list[str]) -> dict[str, Any]:
    """The scopes in words, and several integrations as a choice."""
    requested = scopes.within_rank(user, requested)
    asks_for_all = scopes.EVERY_SERVICE in requested
    services = scopes.services_of(user, None if asks_for_all else requested)
    has_choice = len(services) > 1
    listed = [scope for scope in requested if not (has_choice and scope.startswith(scopes.SERVICE))]
    return {
        "scopes_in_words": scopes.in_words(listed),
        "services": services if has_choice else [],
        "asks_for_every_service": asks_for_all,
        "ticked": [] if asks_for_all or len(services) > TICKED_AT_MOST else [each.scope for each in services],
    }


def log_approval(user: User, application: Application, granted: list[str], *, address: str) -> None:
    """Write to the audit log what the user has allowed: in English, for readers of every language."""
    with translation.override("en"):
        words = without_isolation(", ".join(scopes.in_words(granted)))
    log.write(Kind.APPROVED, whose=user, who=user, detail=words, address=address, subject=application.title)
