"""Client ID Metadata Documents: a client ID that is an https address, whose document describes the program.

The toolkit resolves and stores documents (draft-ietf-oauth-client-id-metadata-document). This module says when one may
be fetched, and how. A host that neither the operator (CLIENT_METADATA_HOSTS) nor an administrator has allowed is never
called: people's requests to it wait for an administrator.
"""

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http.request import validate_host
from django.urls import reverse
from django.utils import timezone
from oauth2_provider import cimd
from oauth2_provider.settings import oauth2_settings

from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.oauth_server.models import Application, Standing
from accounts.oauth_server.self_registration import MOST_REDIRECT_URIS, clean_name, imitates_another
from accounts.sign_in import lockout
from accounts.sign_in.lockout import Limit
from accounts.sign_in.middleware import LockedOut
from foundation.oauth_client import transport
from foundation.oauth_client.errors import OAuthError

ACCEPT = {"Accept": "application/json, application/*+json"}
JSON_TYPE = re.compile(r"application/(json|[a-z0-9.+-]+\+json)")
DEADLINE = 5.0  # seconds
MAX_BYTES = 16 << 10
LONGEST_ID, LONGEST_URI, LONGEST_HEADER = 255, 500, 1000
ASKED = Limit(counter="", times=10, duration=timedelta(hours=1))  # by one person
Document = dict[str, Any]


def is_document_address(client_id: str) -> bool:
    """Whether the client ID is the address of a document, as the draft requires (§3)."""
    if not oauth2_settings.CIMD_ENABLED or not cimd.is_cimd_client_id(client_id) or len(client_id) > LONGEST_ID:
        return False
    if not client_id.isascii() or not client_id.isprintable() or " " in client_id or "\\" in client_id:
        return False  # a host in other letters could look like another
    try:
        cimd._validate_client_id_url(client_id)
    except (cimd.CIMDError, ValueError):
        return False
    return True


def is_host_allowed(client_id: str) -> bool:
    """Whether the operator allows documents of this host. Another port than 443 has to be named with it."""
    parts = urlsplit(client_id)
    if parts.port not in {None, 443}:
        return parts.netloc.lower() in settings.CLIENT_METADATA_HOSTS
    return validate_host(parts.hostname or "", settings.CLIENT_METADATA_HOSTS)


def find_held_back(client_id: str, *, user: User, address: str) -> Application | None:
    """The application of this document address, if it may not be used now; None if the request may go on.

    An application that is new, at a host that is not allowed, is stored to wait for an administrator.
    Raises `LockedOut` if this person has named too many new ones.
    """
    if not is_document_address(client_id):
        return None
    application = Application.objects.filter(client_id=client_id).first()
    if application:
        return None if application.may_be_used else application
    limit = Limit(counter=f"new programs of {user.pk}", times=ASKED.times, duration=ASKED.duration)
    if not lockout.count_use(limit):
        raise LockedOut
    return None if is_host_allowed(client_id) else store_waiting(client_id, user=user, address=address)


def store_waiting(client_id: str, *, user: User, address: str) -> Application:
    application = Application(
        client_id=client_id,
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        registration_source=Application.RegistrationSource.CIMD,
        standing=Standing.WAITING,
        registered_from=address[:45],
        cimd_expires_at=timezone.now(),  # so that the document is fetched once it is allowed
    )
    try:
        with transaction.atomic(), log.attributed_to(user, address):
            application.save()
            log.write(Kind.APPLICATION_ASKED_FOR, whose=user, who=user, address=address, subject=client_id)
    except IntegrityError:  # a parallel request has stored it
        application = Application.objects.get(client_id=client_id)
    return application


class MayFetch:
    """When the toolkit may fetch a document: for a person at the consent page, and to renew one at the token endpoint.

    Never when a form is answered: the program must stay as the person saw it.
    """

    def has_permission(self, request: Any, client_id: str) -> bool:
        """`request` is oauthlib's. A stored application has been decided on."""
        at = (request.http_method, urlsplit(request.uri).path)
        is_consent_page = at == ("GET", reverse("oauth2_provider:authorize"))
        if not is_document_address(client_id):
            return False
        application = Application.objects.filter(client_id=client_id).first()
        if application is None:
            return is_consent_page and is_host_allowed(client_id)
        return application.may_be_used and (is_consent_page or at == ("POST", reverse("oauth2_provider:token")))


class Fetcher:
    """Fetches documents by the guarded transport, and leaves out what Keyrack does not accept."""

    def fetch(self, client_id: str) -> tuple[Document, int]:
        """The document, and for how many seconds it is fresh. Raises `CIMDError`."""
        if not is_document_address(client_id):
            raise cimd.CIMDError("not the address of a document")
        try:
            response = transport.request("GET", client_id, headers=ACCEPT, deadline=DEADLINE, max_bytes=MAX_BYTES)
        except OAuthError as error:
            raise cimd.CIMDError(f"the document was not received: {error.code}") from None
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status_code != 200 or not JSON_TYPE.fullmatch(media_type):
            raise cimd.CIMDError(f"no document: status {response.status_code}, type {media_type!r}")
        try:
            document = json.loads(response.content)
        except (ValueError, RecursionError):
            raise cimd.CIMDError("the document is not JSON") from None
        if not isinstance(document, dict):
            raise cimd.CIMDError("the document is not an object")
        caching = response.headers.get("Cache-Control", "")[:LONGEST_HEADER]  # Python reads no number of 4,301 digits
        return usable_part(document, client_id), cimd._effective_max_age(caching)


def usable_part(document: Document, client_id: str) -> Document:
    """The document without redirect URIs on other hosts, other grant types, and a name that imitates another."""
    application = Application(client_id=client_id, registration_source=Application.RegistrationSource.CIMD)
    usable = dict(document)
    addresses = document.get("redirect_uris")
    if isinstance(addresses, list):
        fitting = [uri for uri in addresses if isinstance(uri, str) and application.may_redirect_to(uri)]
        usable["redirect_uris"] = [uri for uri in fitting if len(uri) <= LONGEST_URI][:MOST_REDIRECT_URIS]
    grant_types = document.get("grant_types")
    if isinstance(grant_types, list):
        usable["grant_types"] = [name for name in ("authorization_code",) if name in grant_types]
    name = document.get("client_name")
    if isinstance(name, str):
        name = clean_name(name)
        usable["client_name"] = "" if imitates_another(name) else name
    return usable
