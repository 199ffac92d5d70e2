"""App configuration of `integrations`."""

from collections.abc import Mapping
from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts import scopes
from accounts.oauth_server import in_process
from foundation.oauth_client import transport
from foundation.oauth_client.transport import LocalAnswer


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = _("Integrations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import modules that register themselves and need the models; connect what other apps ask for."""
        for module in (
            "signal_receivers",
            "models.audited_models",
            "retention",
            "provider_setup.checks",
            "provider_setup.key_checks",
            "api.checks",
            "monitoring.task_signals",
        ):
            import_module(f"integrations.{module}")
        from integrations.models import admission, card
        from integrations.provider_setup import checks, from_template, roles  # noqa: F401 - the checks register themselves

        scopes.add_source(admission.all_scopes, admission.scopes_of)
        scopes.add_services(card.services_of)
        transport.configure(settings.OUTBOUND_ALLOW)
        transport.answer_here(in_process.base_url(), answer_ourselves)
        post_migrate.connect(roles.create_groups, sender=self)
        post_migrate.connect(from_template.update_shipped_templates, sender=self)


def answer_ourselves(method: str, path: str, headers: Mapping[str, str], body: bytes) -> LocalAnswer:
    """Answer a request to our own OAuth server in this process: people can sign in to Keyrack itself."""
    response = in_process.handle_request(method, path, headers, body)
    return LocalAnswer(status=response.status_code, headers=dict(response.items()), body=response.content)
