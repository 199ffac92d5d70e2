"""What can be known about an integration before anybody signs in: is it set up as the provider has it?

Compares rows with what the server publishes and tries each endpoint with made-up values, so that nothing is granted or
ended. Each finding says in words whose it is to mend. Changes nothing and stores nothing.

    findings    what is found, and whose it is      setup       what the rows say among themselves
    endpoints   what each endpoint answers          published   what the server says about itself
"""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from foundation.oauth_client import transport
from foundation.oauth_client.errors import Misconfigured
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.provider_setup.doctor import endpoints, published, records
from integrations.provider_setup.doctor.findings import Finding, Whose, fault

__all__ = ["Finding", "Whose", "examine_alias", "examine_registry"]

SECONDS = 60.0  # for one registry, however many endpoints it has


def examine_registry(registry: ApplicationRegistry, *, seconds: float = SECONDS) -> Iterator[Finding]:
    """As they are found. An endpoint that takes all the time leaves none for those after it, which says so."""
    yield from records.of_registry(registry)
    try:
        registration = registry.registration()
    except Misconfigured as error:
        if error.code == "bad_registration":
            return  # told already
        yield fault(
            Whose.OURS, _("The client secret cannot be used: %(why)s.") % {"why": error.description.rstrip(".")}
        )
        return
    with transport.deadline(seconds):
        yield from published.compared(registry)
        yield from endpoints.tried(registry, registration)


def examine_alias(alias: Alias, *, below: bool = True, seconds: float = SECONDS) -> Iterator[Finding]:
    """Its own rows and its API's server, and the registry below unless that is looked at anyway."""
    yield from records.of_alias(alias)
    credential, connection = alias.effective_credential, alias.connection
    if connection:
        with transport.deadline(seconds):
            yield from endpoints.api(connection.connection_url)
    if credential and below:
        yield from examine_registry(credential.registry, seconds=seconds)
