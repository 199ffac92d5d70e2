"""App configuration of `integrations`."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db.models.signals import post_migrate

from accounts import scopes
from accounts.oauth_server import in_process
from foundation.oauth_client import transport
from foundation.oauth_client.transport import LocalAnswer

GROUP = "Personal Auth User"


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import modules that register themselves and need the models; connect what other apps ask for."""
        for module in ("signal_receivers", "models.audited_models", "provider_setup.checks", "api.checks"):
            import_module(f"integrations.{module}")
        from integrations.models import admission
        from integrations.models.registry import Alias
        from integrations.provider_setup import checks, from_template  # noqa: F401 - the checks register themselves

        scopes.add_source(Alias.objects.as_scopes, admission.scopes_of)
        transport.configure(settings.OUTBOUND_ALLOW)
        transport.answer_here(in_process.base_url(), answer_ourselves)
        post_migrate.connect(create_group, sender=self)
        post_migrate.connect(from_template.update_shipped_templates, sender=self)


def answer_ourselves(method: str, path: str, headers: Mapping[str, str], body: bytes) -> LocalAnswer:
    """Answer a request to our own OAuth server in this process: people can sign in to Keyrack itself."""
    response = in_process.handle_request(method, path, headers, body)
    return LocalAnswer(status=response.status_code, headers=dict(response.items()), body=response.content)


def create_group(sender: AppConfig, using: str, **_options: Any) -> None:
    """Create the group "Personal Auth User" with the role. Runs after each migration."""
    create_permissions(sender, using=using, verbosity=0)
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    role = permission_model.objects.using(using).get(
        codename="personal_auth_user", content_type__app_label=sender.label
    )
    group, is_new = group_model.objects.using(using).get_or_create(name=GROUP)
    if is_new:
        group.permissions.add(role)
