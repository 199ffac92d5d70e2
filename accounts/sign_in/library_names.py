"""Names of django-allauth's models and columns that it marks for no translation: Django makes them of Python names.

The English stays as it is, since permissions are called by it.
"""

from typing import Any, cast

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

MODELS: dict[type[Model], tuple[Any, Any]] = {
    Authenticator: (_("authenticator"), _("authenticators")),
    UserSession: (_("user session"), _("user sessions")),
}
COLUMNS: dict[str, Any] = {
    "user": _("user"),
    "type": pgettext_lazy("of a second step", "type"),
    "created_at": _("created at"),
    "last_used_at": _("last used at"),
    "last_seen_at": _("last seen at"),
    "user_agent": _("user agent"),
    "ip": _("IP address"),
}


def name_models() -> None:
    """Replace the names. Migrations don't notice: they compare what the library itself declares."""
    for model, names in MODELS.items():
        model._meta.verbose_name, model._meta.verbose_name_plural = names
        for field in model._meta.fields:
            if field.name in COLUMNS:
                cast(Any, field).verbose_name = COLUMNS[field.name]
