"""Every address of the administration API against administrators who lack a permission, or rank below."""

import json
from collections.abc import Iterator
from typing import Any
from typing import cast as cast_to

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.audit.models import Event, Kind
from accounts.models import User
from accounts.oauth_server.models import Application
from integrations.admin_api.resources import RESOURCES, Resource
from integrations.admin_api.urls import urlpatterns
from integrations.connections import authorization
from integrations.models import Alias, ApplicationRegistry, ConfigurationTemplate, Token
from integrations.models.tokens import ConnectLink, Revocation
from integrations.models.tool_sets import ToolSet
from tests import cast
from tests.accounts import programs, tokens
from tests.integrations.admin_api.conftest import Script
from tests.integrations.flowing import open_incidents, subflow_of
from tests.integrations.tables import incidents

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PROVIDER = "https://northwind.example"
WRITABLE = list(RESOURCES)
CANARY = "CANARY"


@pytest.fixture
def rows(admin: User) -> Alias:
    """One of each kind, with secrets that no answer may contain."""
    alias = cast.integration_at(cast.registry_at(PROVIDER), connection_url=f"{PROVIDER}/api")
    amira = cast.person("amira")
    cast.signed_in(amira, alias)
    leaver = cast.signed_in(cast.person("leaver"), alias)
    leaver.delete()
    subflow_of(open_incidents(alias))
    incidents(alias)
    Group.objects.create(name="Support")
    ToolSet.objects.create(name="support")
    programs.program(name="Digest")
    shipped = ConfigurationTemplate.objects.exclude(key="")[0]
    ConfigurationTemplate.objects.create(name="Ours", definition=shipped.definition)
    tokens.make_token(amira, "integrations:read")
    authorization.create_connect_link(amira, alias, by=admin)
    return alias


def address_of(resource: Resource) -> str:
    """The address of the last row of a kind."""
    only = {"key": ""} if resource.model is ConfigurationTemplate else resource.kind.only
    row = resource.model._default_manager.filter(**only).order_by("pk").last()
    assert row is not None, resource.kind.name
    own = f"{resource.address}/{getattr(row, resource.kind.key)}/"
    if resource.parent is None:
        return own
    parent = getattr(row, resource.kind.parent)
    return f"{resource.parent.address}/{getattr(parent, resource.parent.kind.key)}/{own}"


def list_of(resource: Resource) -> str:
    return address_of(resource).rsplit(f"{resource.address}/", 1)[0] + f"{resource.address}/"


def staff_with(*permissions: Permission) -> Script:
    staff = cast.person("staff", role=False, is_staff=True)
    staff.user_permissions.set(permissions)
    return Script(staff)


def all_but(*names: str) -> list[Permission]:
    return [each for each in Permission.objects.all() if f"{each.codename}" not in names]


def codename(resource: Resource, action: str) -> str:
    return f"{action}_{resource.model._meta.model_name}"


def change_in(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """A change of one member that no form refuses."""
    texts = ("label", "comments", "first_name", "description", "last_name")
    for name in texts:
        if name in document:
            return {name: "Changed"}
    by_kind: dict[str, dict[str, Any]] = {
        "groups": {"permissions": ["integrations.view_alias"]},
        "applications": {"allowed_scopes": ["integrations:read"]},
        "scopes": {"name": "Changed"},
        "profiles": {"scopes": []},
        "credentials": {"other_account": "Changed"},
        "connections": {"active": False},
        "templates": {"definition": document.get("definition", {}) | {"provider": "Changed"}},
    }
    return by_kind[resource.kind.name]


@pytest.mark.parametrize("action", ["view", "add", "change", "delete"])
def test_without_one_permission_what_it_allows_is_refused_and_the_rest_is_not(rows: Alias, action: str) -> None:
    script = staff_with()
    staff = User.objects.get(username="staff")
    staff.groups.set(Group.objects.all())
    Group.permissions.through.objects.all().delete()  # what groups permit is not to be refused
    for resource in WRITABLE:
        also = ["change"] if action == "view" else []  # which lets look too
        staff.user_permissions.set(all_but(*(codename(resource, each) for each in [action, *also])))
        expected = {action, *also, *(["add"] if resource.model is User and action in ("view", "change") else [])}
        if action == "view":
            expected |= {"delete"}  # nobody deletes what they may not see
        assert refused_actions(script, resource) == expected, resource.singular


def refused_actions(script: Script, resource: Resource) -> set[str]:
    """What is refused for want of a permission. Nothing is changed."""
    address, query = address_of(resource), "?dry_run=true"
    document = Script(User.objects.get(username="admin")).document(address)
    answers = {
        "view": script.send("get", address),
        "add": script.send("post", f"{list_of(resource)}{query}", {resource.kind.key: "brand_new"}),
        "change": script.send("put", f"{address}{query}", change_in(resource, document)),
        "delete": script.send("delete", f"{address}{query}"),
    }
    assert script.send("get", list_of(resource)).status_code == answers["view"].status_code
    for name, answer in answers.items():
        assert answer.status_code in (200, 201, 400, 403, 409), (resource.singular, name, answer.content)
    return {name for name, answer in answers.items() if answer.status_code == 403}


def addresses() -> Iterator[tuple[str, str]]:
    """Every address with its methods, with the names of real rows in place of the parameters."""
    ids = {
        "token": Token.objects.get().hex,
        "revocation": Revocation.objects.get().hex,
        "refresh_token": "0" * 32,
        "client": "digest",
        "password": "0" * 32,
        "link": ConnectLink.objects.get().hex,
    }
    names = {resource.singular: address_of(resource).rstrip("/").rsplit("/", 1)[-1] for resource in RESOURCES}
    names |= {"user": "amira", **ids}
    for pattern in urlpatterns:
        route = str(pattern.pattern)
        for name, value in names.items():
            for converter in ("str", "path"):
                route = route.replace(f"<{converter}:{name}>", value)
        assert "<" not in route, route
        view = cast_to(Any, pattern.callback).view_class
        for method in ("get", "post", "put", "delete"):
            if hasattr(view, method) and method in view.http_method_names:
                yield method, route


def stored() -> str:
    """All rows of what can be administered, as text."""
    models = [resource.model for resource in RESOURCES] + [Token, Revocation, ConnectLink]
    rows = {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}
    return json.dumps(rows, default=str, sort_keys=True)


BODIES: list[Any] = [
    {},
    {"name": "x", "scope": ["integrations:read"]},
    {"is_superuser": True, "is_staff": True, "username": "amira", "groups": ["Support"]},
]


def test_staff_who_may_only_view_read_everything_and_change_nothing(rows: Alias) -> None:
    script = staff_with(*Permission.objects.filter(codename__startswith="view_"))
    before = stored()
    for method, address in addresses():
        if method == "get":
            answer = script.send("get", address)
            is_of_no_secret = address.count("/") == 4 and ("permanenttokens/" in address or "passwords/" in address)
            assert answer.status_code == (404 if is_of_no_secret else 200), (
                address,
                answer.content,
            )
            assert CANARY not in answer.content.decode(), address
            continue
        for body in BODIES:
            answer = script.send(method, address, None if method == "delete" else body)
            assert answer.status_code in (200, 400, 403, 404, 405, 409), (method, address, answer.content)
            assert answer.status_code != 200 or answer.json()["changes"] == [], (method, address)
    assert stored() == before
    made_by_staff = Event.objects.filter(who__username="staff").exclude(kind=Kind.LOOKED_AT)
    assert [event.kind for event in made_by_staff if event.whose_name != "staff"] == []


def test_without_any_permission_every_address_is_closed(rows: Alias) -> None:
    script = staff_with()
    before = stored()
    for method, address in addresses():
        answer = script.send(method, address, None if method in ("get", "delete") else {"name": "x", "username": "x"})
        assert answer.status_code in (400, 403), (method, address, answer.status_code)
        if method == "get":
            assert answer.status_code == 403, address
    assert stored() == before


def test_a_name_that_exists_and_one_that_does_not_are_refused_alike_without_permission(rows: Alias) -> None:
    script = staff_with()
    for resource in RESOURCES:
        there = address_of(resource)
        missing = there.rsplit("/", 2)[0] + "/nothing_of_this_name/"
        for method, body in (
            ("get", None),
            ("put", {}),
            ("put", change_in(resource, document_there(there))),
            ("delete", None),
        ):
            answers = [script.send(method, address, body) for address in (there, missing)]
            assert [answer.status_code for answer in answers] == [403, 403], (method, there)
            assert answers[0].content == answers[1].content, (method, there)


def document_there(address: str) -> Any:
    return Script(User.objects.get(username="admin"), name=address).document(address)


def test_an_auditor_reads_every_address_of_the_set_up_and_of_people(rows: Alias) -> None:
    auditor = cast.person("staff", role=False, is_staff=True)
    auditor.groups.set(Group.objects.filter(name="Auditor"))
    script = Script(auditor)
    for method, address in addresses():
        if method == "get" and "0000" not in address:
            answer = script.send("get", address)
            is_missing = "permanenttokens/" in address and address.count("/") == 4
            assert answer.status_code == (404 if is_missing else 200), (address, answer.content)
            assert CANARY not in answer.content.decode(), address


def test_nobody_changes_or_deletes_what_ranks_above_them(rows: Alias, admin: User) -> None:
    above = Group.objects.create(name="Above")
    above.permissions.add(Permission.objects.get(codename="delete_group"))
    boss = cast.person("boss")
    boss.groups.add(above)
    deputy = staff_with(*all_but("delete_group"))
    for address, body in (
        ("users/admin/", {"is_active": False}),
        ("users/boss/", {"first_name": "Changed"}),
        ("groups/Above/", {"permissions": []}),
    ):
        assert deputy.send("put", address, body).status_code == 403, address
    assert deputy.send("delete", "users/boss/").status_code == 403
    assert deputy.send("put", "users/new/", {"is_superuser": True}).status_code == 403
    answer = deputy.send("put", "users/new/", {"groups": ["Above"]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert not User.objects.filter(username="new").exists()
    assert User.objects.get(username="boss").first_name == ""


def test_an_application_that_stronger_people_approved_is_read_only(rows: Alias, as_admin_approved: None) -> None:
    deputy = staff_with(*all_but("delete_group"))
    assert deputy.send("put", "applications/Digest/", {"redirect_uris": ["https://evil.example/"]}).status_code == 403
    assert Application.objects.get().redirect_uris == programs.CALLBACK


@pytest.fixture
def as_admin_approved(admin: User, rows: Alias) -> None:
    browser = Client(headers={"Sec-Fetch-Site": "same-origin"})
    browser.force_login(admin)
    programs.granted(browser, scope="integrations:read")


def test_who_may_only_view_is_not_told_whether_a_guessed_secret_is_right(rows: Alias) -> None:
    script = staff_with(*Permission.objects.filter(codename__startswith="view_"))
    for guess in ("CANARY-client-secret", "wrong"):
        assert script.send("put", "registries/Northwind/?dry_run=true", {"client_secret": guess}).status_code == 403


def test_without_sight_of_a_list_within_a_row_it_is_neither_shown_nor_changed(rows: Alias) -> None:
    script = staff_with(*all_but(*(f"{action}_oauthentityscope" for action in ("view", "add", "change", "delete"))))
    assert "scopes" not in script.document("registries/Northwind/")
    assert script.send("put", "registries/Northwind/", {"scopes": []}).status_code == 403
    assert script.send("put", "registries/Northwind/", {"comments": "Changed"}).status_code == 200
    assert ApplicationRegistry.objects.get().scopes.count() == 1
