"""A folder of documents is applied as a Terraform-like script does it: twice, and the second time nothing changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server.models import Application
from integrations.models import Alias, ApplicationRegistry, RemoteTable
from tests.integrations.admin_api.conftest import Script

pytestmark = pytest.mark.django_db

WRITE = "https://northwind.example/auth/write"
SECRET = "CANARY-client-secret"


def documents(provider: str) -> dict[str, Any]:
    """Addresses and documents, in the order in which they need each other."""
    limit = {"name": "limit", "type": "integer", "default": 5}
    step = {"name": "list", "order": 1, "alias": "northwind", "path": "notes/", "query": [["n", "{{ inputs.limit }}"]]}
    return {
        "groups/Support": {"permissions": ["integrations.view_alias", "integrations.personal_auth_user"]},
        "users/carla": {"email": "carla@hub.example", "first_name": "Carla", "groups": ["Support"]},
        "applications/Reports": {
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": ["https://reports.example/callback", "https://reports.example/other"],
            "allowed_scopes": ["integrations:read"],
        },
        "registries/Northwind": {
            "client_id": "keyrack",
            "client_secret": SECRET,
            "authorization_url": f"{provider}/authorize",
            "token_url": f"{provider}/token",
            "token_parameters": {"audience": "notes"},
            "scopes": [{"scope": "read", "name": "Read"}, {"scope": WRITE, "name": "Write"}],
            "profiles": [
                {"name": "Reading", "grant_type": "authorization_code", "is_default": True, "scopes": ["read"]},
                {"name": "All", "scopes": ["read", WRITE]},
            ],
        },
        "credentials/Northwind": {
            "profile": {"registry": "Northwind", "name": "Reading"}, "integration_type": "personal",
        },
        "aliases/northwind": {
            "label": "Northwind CRM",
            "groups": ["Support"],
            "connections": [{"name": "Main", "credential": "Northwind", "connection_url": f"{provider}/api"}],
        },
        "actions/list_notes": {
            "inputs": [limit], "outputs": [{"name": "notes", "path": "steps.list.body"}], "steps": [step],
        },
        "subflows/my_notes": {
            "actions": [{"name": "list", "order": 1, "action": "list_notes", "inputs": [["limit", "3"]]}],
            "outputs": [{"name": "notes", "path": "actions.list.notes"}],
        },
        "remote-tables/notes": {
            "alias": "northwind",
            "path": "notes/",
            "columns": [{"label": "Title", "name": "title", "path": "title", "order": 1}],
        },
    }  # fmt: skip


@pytest.fixture
def folder(provider: str, tmp_path: Path) -> Path:
    for number, (address, document) in enumerate(documents(provider).items()):
        file = tmp_path / f"{number:02}" / f"{address}.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(document))
    return tmp_path


def apply_folder(script: Script, folder: Path, query: str = "") -> list[str]:
    """Put each file at the address that its path names. Returns what changed."""
    changed = []
    for file in sorted(folder.rglob("*.json")):
        address = "/".join(file.relative_to(folder).with_suffix("").parts[1:])
        answer = script.applied(f"{address}/{query}", json.loads(file.read_text()))
        changed += [f"{address} {change['path']}" for change in answer["changes"]]
    return changed


@pytest.mark.slow
def test_a_folder_is_applied_and_the_second_time_nothing_changes(script: Script, folder: Path) -> None:
    assert "credentials/Northwind profile" in apply_folder(script, folder)
    assert Alias.objects.get().connections.get().credential.name == "Northwind"  # type: ignore[union-attr]
    assert ApplicationRegistry.objects.get().client_secret == SECRET
    profile = ApplicationRegistry.objects.get().profiles.get(name="Reading")
    assert [scope.scope for scope in profile.scopes.all()] == ["read"]
    assert RemoteTable.objects.get().columns.get().path == "title"
    assert User.objects.get(username="carla").groups.get().name == "Support"
    assert Application.objects.get().redirect_uris.split() == [
        "https://reports.example/callback",
        "https://reports.example/other",
    ]

    written = list(Event.objects.values_list("pk", flat=True))
    assert apply_folder(script, folder) == []
    assert apply_folder(script, folder, "?dry_run=true") == []
    assert [f"{event.kind} {event.subject} {event.detail}" for event in Event.objects.exclude(pk__in=written)] == []
    assert Event.objects.filter(subject="Application Registry Northwind", who__username="admin").exists()


@pytest.mark.slow
def test_a_list_takes_no_more_queries_for_more_rows(
    script: Script, folder: Path, django_assert_max_num_queries: Any
) -> None:
    apply_folder(script, folder)
    for number in range(5):
        script.applied(f"groups/Group {number}/", {"permissions": ["integrations.view_alias", "auth.view_group"]})
        script.applied(f"aliases/more_{number}/", {"groups": ["Support"]})
    for address in ("groups/", "aliases/", "registries/", "actions/", "users/"):
        with django_assert_max_num_queries(25):
            script.document(address)
