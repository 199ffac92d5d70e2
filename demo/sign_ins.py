"""Seeds sign-ins of the demo's users: real ones, at the running provider.

Needs the running provider and worker. Safe to repeat: leaves existing rows alone.
"""

import os
import re
import secrets
from datetime import timedelta
from html import escape
from urllib.parse import parse_qs, urlsplit

import requests
from django.utils import timezone

from accounts.models import User
from demo import access, browserless
from demo.catalogue import CATALOGUE
from integrations import calls, flows
from integrations.connections import authorization, renewal
from integrations.models.events import Event
from integrations.models.flows import SubflowRun
from integrations.models.registry import Alias
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Revocation, Token

TIMEOUT = 30
WEEKS = timedelta(days=28)


class NotSeeded(Exception):
    """A step failed. The message names the integration and the code, nothing secret."""


class Visitor:
    """A user with a browser session that is signed in at the provider."""

    def __init__(self, username: str, provider_url: str) -> None:
        self.user = User.objects.get(username=username)
        self.provider_url, self.password = provider_url, os.environ["DEMO_PASSWORD"]
        self.browser = requests.Session()
        self.browser.trust_env = False
        browserless.sign_in(self.browser, provider_url, username, self.password)

    def connect(self, name: str) -> Token:
        """Sign in to an integration as people do, unless the user already has."""
        alias = Alias.objects.complete().get(name=name)
        credential = alias.effective_credential
        if credential is None:
            raise NotSeeded(f"{name}: no credential")
        tokens = Token.objects.of(self.user, credential).with_registry()
        if not tokens.exists():
            binding = secrets.token_urlsafe(32)
            authorization_url = authorization.begin(self.user, credential, session_binding=binding)
            callback_url = urlsplit(browserless.consent(self.browser, authorization_url))
            parameters = parse_qs(callback_url.query)
            check(name, authorization.complete(self.user, credential.registry.pk, parameters, session_binding=binding))
        return tokens.get()

    def connect_by_password(self, name: str) -> None:
        alias = Alias.objects.complete().get(name=name)
        credential = alias.effective_credential
        if credential is None or Token.objects.of(self.user, credential).exists():
            return
        attempt = authorization.sign_in(
            self.user,
            credential,
            username=self.user.get_username(),
            password=self.password,
            session_binding=secrets.token_urlsafe(32),
        )
        check(name, attempt)

    def use(self, name: str, path: str) -> None:
        """Call the third party once, so that the card shows a last use."""
        connection = Alias.objects.get(name=name).connection
        if connection:
            calls.send(self.user, connection, "GET", path, used_by="Demo").raise_for_status()

    def remove_access(self, name: str) -> None:
        """Remove access on the provider's page, as one does in account settings."""
        label = next(offer.label for offer in CATALOGUE if offer.name == name)
        page = self.browser.get(f"{self.provider_url}/", timeout=TIMEOUT).text
        title = re.escape(escape(f"Keyrack for {label}"))
        row = re.search(rf'id="row-(\d+)">\s*<div class="name">\s*<h3>{title}</h3>', page)
        if row is None:
            raise NotSeeded(f"{name}: not on the provider's page")
        address = f"{self.provider_url}/clients/{row[1]}/remove-access/"
        form = {"csrfmiddlewaretoken": self.browser.cookies["provider_csrf"]}
        self.browser.post(address, data=form, timeout=TIMEOUT).raise_for_status()


def check(name: str, attempt: AuthorizationAttempt) -> None:
    if attempt.status != AttemptStatus.CONNECTED:
        raise NotSeeded(f"{name}: {attempt.failure_code or attempt.status}")


def amira(provider_url: str) -> None:
    visitor = Visitor("amira", provider_url)
    revoke_without_answer(visitor, "beacon_chat")  # first: the worker takes most of a minute to give up
    for name, path in (("northwind", "contacts/"), ("copper_tickets", "notes/")):
        visitor.connect(name)
        visitor.use(name, path)
    run_once(visitor, "my_open_incidents")
    expire_soon(visitor, "harbor_files")
    lose_access(visitor, "quill_docs")
    turn_off(visitor, "meridian_ledger")
    access.seed(visitor.user)


def run_once(visitor: Visitor, name: str) -> None:
    if not SubflowRun.objects.filter(user=visitor.user, name=name).exists():
        run = flows.run_subflow(name, user=visitor.user, origin="Demo")
        if run.error_code:
            raise NotSeeded(f"{name}: {run.error_code}")


def tomas(provider_url: str) -> None:
    visitor = Visitor("tomas", provider_url)
    visitor.connect("northwind")
    visitor.connect("tidepool_analytics")
    visitor.connect_by_password("records_service")
    visitor.use("records_service", "contacts/")


def revoke_without_answer(visitor: Visitor, name: str) -> None:
    """Revoke an integration whose provider answers 503 until the worker gives up after five attempts."""
    alias = Alias.objects.get(name=name)
    if not Revocation.objects.filter(user=visitor.user, credential=alias.effective_credential).exists():
        visitor.connect(name)
        authorization.revoke(visitor.user, alias)


def expire_soon(visitor: Visitor, name: str) -> None:
    """Leave three days of a month. They are real; only the start of the sign-in is backdated."""
    token = visitor.connect(name)
    signed_in_at = min(token.signed_in_at, timezone.now() - WEEKS)
    Token.objects.filter(pk=token.pk).update(signed_in_at=signed_in_at)
    # The base manager, because the audit log's own refuses changes.
    Event._base_manager.filter(whose=visitor.user, subject_id=token.credential.pk).update(at=signed_in_at)


def lose_access(visitor: Visitor, name: str) -> None:
    """Remove access at the provider, whose API then refuses the access token, and whose next renewal is refused."""
    token = visitor.connect(name)
    if not token.is_valid:
        return
    visitor.remove_access(name)
    try:
        renewal.renew(token, is_rejected=True)  # its access token is dead there, too
    except renewal.NoUsableToken:
        return
    raise NotSeeded(f"{name}: renewed although access was removed")


def turn_off(visitor: Visitor, name: str) -> None:
    """Turn the alias off after the sign-in: the token is kept but not used."""
    alias = Alias.objects.get(name=name)
    if alias.active:
        visitor.connect(name)
        alias.active, alias.deactivated_at = False, timezone.now()
        alias.inactive_reason = next(offer.off_because for offer in CATALOGUE if offer.name == name)
        alias.save(update_fields=["active", "deactivated_at", "inactive_reason"])
