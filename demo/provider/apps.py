"""App configuration of Northwind: notes, contacts, switches and the ledger."""

from django.apps import AppConfig


class ProviderConfig(AppConfig):
    """Named `provider`, so that its tables are `provider_note` and so on."""

    name = "demo.provider"
    label = "provider"
    default_auto_field = "django.db.models.BigAutoField"
