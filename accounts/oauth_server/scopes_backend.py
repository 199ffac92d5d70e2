"""The toolkit's scopes backend: scopes of OAuth applications. Reads only the integrations that a request is about."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from oauth2_provider.scopes import BaseScopes

from accounts import scopes
from accounts.access_tokens import operations
from accounts.oauth_server.models import Application

_needed: ContextVar[Collection[str] | None] = ContextVar("needed scopes", default=None)


class Scopes(BaseScopes):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Scopes of a client: those of its registration. A request without scopes gets `scopes.LEAST`."""

    def get_all_scopes(self) -> dict[str, Any]:
        """Every scope with its description; within `only_needed`, those that `limit_to` named."""
        return scopes.all_scopes(_needed.get())

    def get_available_scopes(
        self,
        application: Application | None = None,
        request: Any = None,
        *args: Any,
        names: Collection[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The scopes that the client may have now; only those among `names`, if given."""
        if application is None:  # metadata, which is public: it must not list the integrations
            return list(scopes.FIXED)
        registered = application.scope_values
        has_every_service = scopes.EVERY_SERVICE in registered  # the person may allow only some of them
        existing = scopes.all_scopes(registered if names is None and not has_every_service else names)
        values = [scope for scope in registered if scope in existing]
        if has_every_service:
            values += [scope for scope in existing if scopes.is_service(scope) and scope not in values]
        if getattr(request, "grant_type", None) == "password":  # elsewhere the consent page sees to it
            values = scopes.within_rank(request.user, values)
        application_password = getattr(request, "application_password", None)
        if not application_password:
            return values
        allowed = operations.application_password_scopes(application_password)  # grants no more than its own scopes
        return [scope for scope in values if scopes.allows_scope(allowed, scope)]

    def get_default_scopes(
        self, application: Application | None = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        least = self.get_available_scopes(application, request, names=[scopes.LEAST])
        return least or self.get_available_scopes(application, request)[:1]


@contextmanager
def only_needed() -> Iterator[None]:
    """A context in which the toolkit gets the scopes that `limit_to` names, where it asks for all."""
    token = _needed.set(())
    try:
        yield
    finally:
        _needed.reset(token)


def limit_to(names: Collection[str]) -> None:
    """Name the scopes that this request is about. Changes nothing outside `only_needed`."""
    if _needed.get() is not None:
        _needed.set(names)
