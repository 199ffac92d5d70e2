"""Checks an integration's set-up against its provider, before the first sign-in.

Compares rows with the server's published metadata, and calls each endpoint with made-up values, so that nothing is
granted or revoked. Each finding is a sentence that says who can fix it. Read-only.

    findings    one finding, and who can fix it     records     consistency of the rows
    endpoints   probes of each endpoint             published   comparison with the server's metadata
"""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from foundation.oauth_client import transport
from foundation.oauth_client.errors import Misconfigured
from foundation.secrets_at_rest import has_key, key_id_of, sealed_bytes
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.models.registry.exchanged_addresses import describe_exchange
from integrations.provider_setup.doctor import endpoints, published, records
from integrations.provider_setup.doctor.findings import Finding, Whose, fault
from integrations.provider_setup.doctor.published import describe_demand

__all__ = ["Finding", "Whose", "describe_demand", "examine_alias", "examine_endpoints", "examine_registry"]

SECONDS = 60.0  # for one registry, however many endpoints it has


def examine_registry(registry: ApplicationRegistry, *, seconds: float = SECONDS) -> Iterator[Finding]:
    """Yield findings as they are made. Endpoints that are not reached within `seconds` are reported as timed out."""
    yield from records.check_registry(registry)
    yield from examine_endpoints(registry, seconds=seconds)


def examine_endpoints(
    registry: ApplicationRegistry, *, scopes: Sequence[str] | None = None, seconds: float = SECONDS
) -> Iterator[Finding]:
    """Compare with the server's metadata and call each endpoint. The registry need not be saved.

    `scopes`: those of the authorization request, if not those of the registry's profile.
    """
    if sentence := describe_exchange(registry.authorization_url, registry.token_url):
        yield fault(Whose.ADMINISTRATOR, sentence, field="token_url")
    try:
        registration = registry.registration()
    except Misconfigured as error:
        if error.code == "bad_registration":
            return  # `records` has reported it
        yield fault(Whose.OURS, describe_lost_secret(registry, error))
        return
    with transport.deadline(seconds):
        yield from published.compare_metadata(registry)
        yield from endpoints.probe_endpoints(registry, registration, scopes)


def describe_lost_secret(registry: ApplicationRegistry, error: Misconfigured) -> str:
    """Why the client secret can't be used, and what the operator does about it."""
    if error.code != "unreadable_secret":
        return _("The Client Secret can’t be used: %(why)s.") % {"why": error.describe(_).rstrip(".")}
    sealed = sealed_bytes(registry, "client_secret") or b""
    if has_key(registry, "client_secret") or not key_id_of(sealed):
        return _(
            "The Client Secret can’t be decrypted: TOKEN_ENCRYPTION_KEYS has another key of the same name, or the "
            "stored value was changed. Set the key with which it was stored, or enter the Client Secret again."
        )
    return _(
        "The Client Secret is encrypted with the key %(key)s, which TOKEN_ENCRYPTION_KEYS doesn’t have. Put the key "
        "back at its end and restart all processes. If it is lost, enter the Client Secret again."
    ) % {"key": key_id_of(sealed)}


def examine_alias(alias: Alias, *, below: bool = True) -> Iterator[Finding]:
    """Yield findings about an alias, its connection and, unless `below` is false, its application registry."""
    yield from records.check_alias(alias)
    credential, connection = alias.effective_credential, alias.connection
    if connection:
        with transport.deadline(SECONDS):
            yield from endpoints.probe_api(connection.connection_url)
    if credential and below:
        yield from examine_registry(credential.registry)
