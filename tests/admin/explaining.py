"""Explain access, arranged: each way in which a rule comes to refuse, and what page, command and API answer."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from io import StringIO
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.sign_in.models import TwoStepRequirement
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, Token
from integrations.provider_setup.explain_access import Explanation, explain
from tests import cast, walks
from tests.accounts import tokens
from tests.servers.hostile import HostileServer

PAGE = "/admin/explain-access/"
CALL = "/api/v1/integrations/northwind/proxy/contacts"
COMPLETE = Alias.objects.complete


def connected(server: HostileServer, amira: User) -> Alias:
    """An integration in which Amira has signed in. Calls are answered there, renewals refused as `invalid_client`."""
    server.on("GET /api/contacts").always(json=[])
    server.on("POST /token").always(status=401, json={"error": "invalid_client"})
    alias = walks.northwind(server)
    cast.signed_in(amira, alias, account_label="amira@northwind.example")
    return alias


def explained() -> Explanation:
    return explain(User.objects.get(username="amira"), COMPLETE().get(name="northwind"))


def page_text(client: Client, person: str = "amira", integration: str = "northwind") -> str:
    """The words of the page, without its markup."""
    response = client.get(PAGE, {"person": person, "integration": integration})
    assert response.status_code == 200
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode().partition("<main")[2])))


def run_command(user: str = "amira", alias: str = "northwind") -> tuple[int, str]:
    """Exit code and output."""
    out = StringIO()
    try:
        call_command("explain_access", user, alias, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


# Rules of admission ---------------------------------------------------------------------------------------------------


def update_amira(**fields: Any) -> None:
    User.objects.filter(username="amira").update(**fields)


REFUSALS: dict[str, tuple[Callable[[], object], str, str]] = {  # how, what is said, where it is changed
    "deactivated": (lambda: update_amira(is_active=False), "The account is deactivated.", "accounts/user"),
    "no_role": (
        lambda: User.objects.get(username="amira").groups.clear(),
        "Groups that have it: Personal Auth User.",
        "accounts/user",
    ),
    "no_second_step": (
        lambda: TwoStepRequirement.objects.create(group=Group.objects.get(name="Personal Auth User")),
        "Amira Haddad hasn’t set up two-step sign-in, which these groups require: Personal Auth User.",
        "accounts/user",
    ),
    "alias_off": (
        lambda: Alias.objects.update(active=False, inactive_reason="Moving house"),
        "The alias northwind is turned off: “Moving house”.",
        "integrations/alias",
    ),
    "credential_off": (
        lambda: OAuth2Credential.objects.update(active=False),
        "The OAuth 2.0 Credential northwind is turned off.",
        "integrations/oauth2credential",
    ),
    "registry_off": (
        lambda: ApplicationRegistry.objects.update(active=False),
        "The Application Registry Northwind is turned off.",
        "integrations/applicationregistry",
    ),
    "not_shared": (
        lambda: Alias.objects.get().groups.add(Group.objects.create(name="Finance")),
        "Only these groups may use it: Finance. Amira Haddad is in: Personal Auth User.",
        "integrations/alias",
    ),
    "not_tried": (
        lambda: Alias.objects.update(awaits_trial=True),
        "Until it has worked once, only the administrator who tries it sees it.",
        "integrations/alias",
    ),
}


def calling_as(user: User) -> Client:
    _token, bearer = tokens.make_token(user, "service:northwind")
    return Client(headers={"Authorization": f"Bearer {bearer}"})


def answered(program: Client) -> str:
    response = program.get(CALL)
    return f"{response.status_code} {response.json()['error']}"


def role() -> Permission:
    return Permission.objects.get(codename="personal_auth_user")


# Not now --------------------------------------------------------------------------------------------------------------


def update_token(**fields: Any) -> None:
    Token.objects.update(**fields)


PAST = timezone.now() - timedelta(days=1)


def signed_out() -> None:
    Token.objects.all().delete()


def under_way() -> None:
    signed_out()
    walks.under_way(User.objects.get(username="amira"), Alias.objects.get())


def refused_at_sign_in() -> None:
    signed_out()
    misconfigured()


def expired() -> None:
    Token.objects.update(expires_at=PAST, refresh_expires_at=PAST, refresh_expiry="known")


def moved() -> None:
    connection = HttpConnection.objects.get()
    connection.connection_url = "https://elsewhere.example/api"
    connection.save()


def new_header() -> None:
    ApplicationRegistry.objects.update(call_headers={"X-Key": "CANARY-header"})


def down() -> None:
    url = HttpConnection.objects.get().connection_url
    later = timezone.now() + timedelta(minutes=1)
    ApplicationRegistry.objects.update(failures=3, down_since=PAST, failing_url=url, next_check_at=later)


def misconfigured() -> None:
    ApplicationRegistry.objects.get().note_misconfigured("invalid_client")


def misconfigured_and_due() -> None:
    misconfigured()
    Token.objects.update(expires_at=PAST)


NOT_NOW: dict[str, tuple[Callable[[], object], str, str, str]] = {  # how, deciding rule, its words, the person's badge
    "signed out": (signed_out, "Has signed in", "Not signed in.", "Not connected"),
    "under way": (under_way, "Has signed in", "Not signed in. A sign-in is in progress.", "Connecting"),
    "refused at sign-in": (refused_at_sign_in, "Has signed in", "registry Northwind (invalid_client)", "Not connected"),
    "needs reauth": (
        lambda: update_token(state="needs_reauth", failure_code="invalid_grant", failed_at=PAST),
        "Has signed in",
        "(invalid_grant)",
        "Sign in again",
    ),
    "expired": (expired, "Has signed in", "The sign-in ended on", "Sign in again"),
    "moved": (
        moved,
        "Has agreed",
        "now https://elsewhere.example.",
        "New address",
    ),
    "new header": (new_header, "Has agreed", "What is sent along with each call", "New address"),
    "down": (down, "Northwind CRM answers", "calls to it are held back", "Provider down"),
    "misconfigured": (misconfigured_and_due, "Northwind CRM answers", "(invalid_client)", "Set-up problem"),
}


ARRANGEMENTS = {name: row[0] for table in (REFUSALS, NOT_NOW) for name, row in table.items()}
