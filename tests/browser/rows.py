"""What is set up before a browser opens: integrations at providers, sign-ins, and rows as time would have left them.

Providers are those of tests.servers. Knows nothing of pages.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.oauth_server.models import Application
from integrations.connections import authorization
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, Renewal, Revocation, Token
from integrations.models.addresses import initiator_url
from integrations.models.registry import Use
from integrations.models.tokens import RevocationState, TokenState
from tests import cast
from tests.servers.hostile import Answer, Call, HostileServer
from tests.servers.peers import Peer

SECRET = "CANARY-toolkit-secret"


TITLES = {
    "not_connected": "Atlas Wiki",
    "connecting": "Beacon Mail",
    "connected": "Copper CRM",
    "expiring": "Delta Sheets",
    "needs_reauth": "Ember Tickets",
    "revoking": "Fjord Files",
    "revoke_failed": "Grove Notes",
    "disabled": "Harbor Chat",
    "provider_down": "Iris Maps",
    "misconfigured": "Juniper Forms",
    "address_changed": "Kestrel Books",
    "not_renewed": "Lumen Calls",
}


@dataclass(frozen=True, kw_only=True)
class Door:
    """An integration, and who may sign in at its provider; `account` is what the card says afterwards."""

    alias: Alias
    user: str = ""
    password: str = field(default="", repr=False)
    account: str


def at_peer(peer: Peer, *, user: str = "alice", **fields: str) -> Door:
    """An integration at a server of another origin, where we are a client of our own."""
    draft = ApplicationRegistry()
    client = peer.register([draft.redirect_url])
    at = cast.registry_at(
        peer.issuer,
        id=draft.id,
        client_id=client.client_id,
        client_secret=client.client_secret,
        issuer=peer.issuer,
        authorization_url=peer.authorization_url,
        token_url=peer.token_url,
        token_revocation_url=peer.revocation_url,
        userinfo_url=peer.userinfo_url,
        account_label_path="/preferred_username /sub",
        **fields,
    )
    alias = cast.integration_at(at, scopes=("openid", "profile"), connection_url=peer.api_url)
    return Door(alias=alias, user=user, password=peer.users[user], account=user)


def at_toolkit(site: str) -> Door:
    """Keyrack itself, on the hub's own origin: whoever is signed in here is signed in there."""
    at = cast.registry_at(
        site,
        client_secret=SECRET,
        authorization_url=f"{site}/o/authorize/",
        token_url=f"{site}/o/token/",
        token_revocation_url=f"{site}/o/revoke_token/",
        userinfo_url=f"{site}/provider/whoami/",
        account_id_path="/username",
        account_label_path="/username",
    )
    Application.objects.create(
        client_id=at.client_id,
        client_secret=SECRET,
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris=at.redirect_url,
        allowed_scopes="integrations:read",
    )
    alias = cast.integration_at(at, scopes=("integrations:read",), connection_url=f"{site}/provider")
    return Door(alias=alias, account="amira")


def at_isolated(server: HostileServer) -> Door:
    """A provider whose pages cut every tie to the window that opened them: Cross-Origin-Opener-Policy same-origin."""

    def consent(call: Call) -> Answer:
        asked = parse_qs(call.query)
        return Answer(
            headers={"Cross-Origin-Opener-Policy": "same-origin"},
            text=f"""<!doctype html><form action="{asked["redirect_uri"][0]}">
                <input type="hidden" name="state" value="{asked["state"][0]}">
                <input type="hidden" name="code" value="c"><button>Allow</button></form>""",
        )

    server.on("GET /authorize").always(consent)
    server.on("POST /token").always(json={"access_token": "CANARY-1", "token_type": "Bearer", "expires_in": 3600})
    return Door(alias=cast.integration_at(cast.registry_at(server.url)), account="Account not told by Northwind CRM")


def credential_of(alias: Alias) -> OAuth2Credential:
    credential = alias.effective_credential
    assert credential
    return credential


def registry(door: Door) -> ApplicationRegistry:
    return credential_of(door.alias).registry


def initiator(site: str, door: Door) -> str:
    """The address of the seed at which a sign-in starts."""
    return site + initiator_url(credential_of(door.alias))


def begin(user: User, alias: Alias, *, session_binding: str = "elsewhere") -> str:
    """A sign-in under way; the provider's address."""
    return authorization.begin(user, credential_of(alias), session_binding=session_binding)


def connect(user: User, door: Door, peer: Peer) -> Token:
    """Signed in just now, without a browser: a token that lives."""
    answer = urlsplit(peer.consent(begin(user, door.alias, session_binding="curl"), door.user))
    authorization.complete(user, registry(door).pk, parse_qs(answer.query), session_binding="curl")
    return Token.objects.get(user=user)


def stored(user: User, door: Door) -> Token:
    """Signed in as `door.user` a while ago."""
    return cast.signed_in(user, door.alias, account_id=door.user, account_label=door.account, scopes=["openid"])


def every_state(user: User, server: str = "http://127.0.0.1:9") -> dict[str, Alias]:
    """One integration in each state; the key is the state, and the name of the alias."""
    at = cast.registry_at(server, name="Everything", account_settings_url="https://northwind.example/settings")
    of_their_own = {"provider_down": does_not_answer(server), "misconfigured": does_not_know_us(server)}
    aliases = {
        state: cast.integration_at(
            of_their_own.get(state, at),
            name=state,
            label=title,
            description=f"{title} for your team.",
        )
        for state, title in TITLES.items()
    }
    tokens = tokens_of(user, aliases)
    Renewal(token_id=tokens["not_renewed"].pk, version=1, outcome="failed", kind="unexplained").save()
    end(tokens["revoking"])
    failed = Revocation.objects.filter(pk=end(tokens["revoke_failed"]).pk)
    failed.update(state=RevocationState.FAILED, attempts=5, last_answer="503")
    begin(user, aliases["connecting"])
    HttpConnection.objects.filter(alias=aliases["address_changed"]).update(
        connection_url="https://elsewhere.example/api"
    )
    off = Alias.objects.filter(pk=aliases["disabled"].pk)
    off.update(active=False, inactive_reason="We move to another server.", deactivated_at=timezone.now())
    return aliases


def does_not_answer(server: str) -> ApplicationRegistry:
    now = timezone.now()
    return cast.registry_at(
        server,
        name="Down",
        failures=3,
        failing_url=f"{server}/token",
        down_since=now - timedelta(minutes=40),
        next_check_at=now,
    )


def does_not_know_us(server: str) -> ApplicationRegistry:
    registry = cast.registry_at(server, name="Unknown here")
    registry.note_misconfigured("invalid_client", use=Use.TOKENS)
    return registry


def tokens_of(user: User, aliases: dict[str, Alias]) -> dict[str, Token]:
    refused = {"state": TokenState.NEEDS_REAUTH, "failure_code": "invalid_grant", "failed_at": timezone.now()}
    fields: dict[str, dict[str, Any]] = {
        "connected": {"last_used_at": timezone.now(), "last_used_by": "Contacts table"},
        "expiring": {"refresh_token": "", "expires_in": 600},
        "needs_reauth": refused,
        "revoking": {},
        "revoke_failed": {},
        "disabled": {},
        "provider_down": {"last_used_at": timezone.now() - timedelta(hours=1)},
        "misconfigured": {},
        "address_changed": {},
        "not_renewed": {"expires_in": -60},
    }
    return {
        state: cast.signed_in(user, aliases[state], account_label=f"amira@{state}.example", **more)
        for state, more in fields.items()
    }


def end(token: Token) -> Revocation:
    """Revoked by the person, and nobody told the provider yet."""
    with transaction.atomic():
        revocation = token.end(reason="revoked", by_the_person=True)
    assert revocation
    return revocation
