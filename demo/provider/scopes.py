"""Scopes backend: limits each client to the scopes of its profile."""

from oauth2_provider.models import Application
from oauth2_provider.scopes import SettingsScopes

from demo.provider.models import Client


class ClientScopes(SettingsScopes):
    """django-oauth-toolkit asks here; without an application it wants the whole list (metadata)."""

    def get_available_scopes(
        self, application: Application | None = None, request: object = None, *args: object, **kwargs: object
    ) -> list[str]:
        """Known scopes, cut down to the client's."""
        scopes = list(self.get_all_scopes())
        if application is None:
            return scopes
        allowed = Client.objects.get(application=application).scopes.split()
        return [scope for scope in scopes if scope in allowed]

    def get_default_scopes(
        self, application: Application | None = None, request: object = None, *args: object, **kwargs: object
    ) -> list[str]:
        """The least: a client that asks for nothing gets the name, and only if it may see that."""
        available = self.get_available_scopes(application)
        return [scope for scope in super().get_default_scopes() if scope in available]
