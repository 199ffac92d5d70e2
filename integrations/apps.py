"""The integrations app: what a person has connected."""

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db.models.signals import post_migrate

from accounts import scopes
from integrations.oauth import transport

GROUP = "Personal Auth User"


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from integrations import checks, consequences  # noqa: F401 - both register themselves, and need the models
        from integrations.models.registry import Alias

        scopes.add_source(Alias.objects.as_scopes)
        transport.configure(settings.OUTBOUND_ALLOW)
        post_migrate.connect(create_group, sender=self)


def create_group(sender: AppConfig, using: str, **_options: Any) -> None:
    """The group "Personal Auth User" is there after migrating and carries the role."""
    create_permissions(sender, using=using, verbosity=0)
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    role = permission_model.objects.using(using).get(
        codename="personal_auth_user", content_type__app_label=sender.label
    )
    group, is_new = group_model.objects.using(using).get_or_create(name=GROUP)
    if is_new:
        group.permissions.add(role)
