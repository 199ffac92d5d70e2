"""The accounts app."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts import scopes
from foundation.secrets_at_rest import rotation


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def import_models(self) -> None:
        """Import the models of each package, and of the mail outbox."""
        super().import_models()
        for package in ("audit", "sign_in", "access_tokens", "oauth_server"):
            import_module(f"accounts.{package}.models")
        import_module("foundation.mail_outbox")
        import_module("foundation.installation")

    def ready(self) -> None:
        """Connect signal receivers, which need the models. Rename allauth's apps: one is called "Accounts" too."""
        import_module("accounts.signal_receivers")
        post_migrate.connect(import_module("foundation.installation").create_mark, sender=self)
        import_module("accounts.sign_in.middleware")
        import_module("accounts.retention")
        scopes.add_source(lambda _names, _most: scopes.ADMINISTRATION, scopes.administration_of)
        rotation.add_column(import_module("accounts.sign_in.mfa").SEALED_COLUMN)
        import_module("accounts.sign_in.library_names").name_models()
        apps.get_app_config("account").verbose_name = _("Email addresses")
        apps.get_app_config("mfa").verbose_name = _("Two-step sign-in")
