"""The accounts app."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _

from foundation.secrets_at_rest import rotation


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Receivers need models, which are not there before. allauth calls an app of its own "Accounts" too."""
        import_module("accounts.receivers")
        import_module("accounts.noted")
        import_module("accounts.audited_models")
        import_module("accounts.known_devices")
        rotation.add_column(import_module("accounts.second_factor").SEALED_COLUMN)
        apps.get_app_config("account").verbose_name = _("E-mail addresses")
        apps.get_app_config("mfa").verbose_name = _("Two-step sign-in")
