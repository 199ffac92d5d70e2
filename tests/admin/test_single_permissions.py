"""Staff with one permission and nothing else: each page of the admin lets them in or turns them away, without fail."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from accounts.access_tokens.models import ApplicationPassword
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server.models import Application
from accounts.sign_in.models import AttemptCounter, KnownDevice, TwoStepRequirement
from integrations import flows
from integrations.models import Alias, ConnectLink, Token, ToolSet
from tests import cast
from tests.accounts import tokens
from tests.conftest import client_of
from tests.integrations.flowing import open_incidents, subflow_of
from tests.integrations.tables import incidents

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]

MODELS: list[type[Model]] = sorted(admin.site._registry, key=lambda model: model._meta.label)
QUERIES = ["", "?q=a", "?q=%00", "?o=1.-2", "?p=9", "?e=1", "?nothing=1", "?id__exact=x", "?_popup=1", "?_to_field=id"]


@pytest.fixture
def rows(amira: User, northwind: Alias, token: Token) -> None:
    """One of each kind that the admin shows."""
    subflow = subflow_of(open_incidents(northwind))
    flows.start_subflow(subflow.name, user=amira, inputs={})
    incidents(northwind)
    cast.signed_in(cast.person("leaver"), northwind).delete()  # of which a promise to the provider stays
    TwoStepRequirement.objects.create(group=Group.objects.create(name="Support"))
    ConnectLink.objects.create(user=amira, alias=northwind, created_by=amira, expires_at=timezone.now())
    ToolSet.objects.create(name="reading")
    EmailAddress.objects.create(user=amira, email="amira@hub.example", verified=True)
    Authenticator.objects.create(user=amira, type=Authenticator.Type.TOTP, data={})
    AttemptCounter.objects.create(counter="name amira", failures=1, ends_at=timezone.now())
    KnownDevice.objects.create(user=amira)
    Application.objects.create(name="A program", user=amira, authorization_grant_type="authorization-code",
                               client_type="public", redirect_uris="https://program.example/")  # fmt: skip
    tokens.make_token(amira, "integrations:read")
    ApplicationPassword.objects.create(user=amira, name="Mail", pepper_id="a", keyed_hash="b")
    log.write(log.Kind.APPROVED, whose=amira, who=amira)


def addresses_of(model: type[Model]) -> Iterator[str]:
    """The list, the form for a new one, and every page of one row, of Django's and of ours, and of the site."""
    row = admin.site._registry[model].model._default_manager.order_by("pk").last()
    assert row is not None, f"no {model._meta.label} is there"
    for pattern in admin.site._registry[model].get_urls():
        route = str(pattern.pattern)
        if isinstance(pattern, URLPattern) and pattern.name:
            arguments = [row.pk] if "<" in route else []
            yield reverse(f"admin:{pattern.name}", args=arguments)
    content_type = ContentType.objects.get_for_model(model)
    yield from (reverse("admin:view_on_site", args=[content_type.pk, row_id]) for row_id in (row.pk, "1", "x"))


def failures_at(client: Client, addresses: Iterator[str]) -> list[str]:
    answers = [(each, client.get(each)) for each in addresses]
    return [f"{answer.status_code} {each}" for each, answer in answers if answer.status_code >= 500]


def staff_with(*permissions: Permission) -> Client:
    somebody = cast.person("staff", role=False, is_staff=True)
    somebody.user_permissions.set(permissions)
    client = client_of(somebody)
    client.raise_request_exception = False
    return client


def permission(model: type[Model], action: str) -> Permission:
    permission: Permission = Permission.objects.get(
        codename=f"{action}_{model._meta.model_name}", content_type__app_label=model._meta.app_label
    )
    return permission


@pytest.mark.parametrize("action", ["view", "add", "change", "delete"])
def test_one_permission_on_one_model_opens_pages_or_is_refused(rows: None, action: str) -> None:
    client, failed = staff_with(), []
    somebody = User.objects.get(username="staff")
    for model in MODELS:
        somebody.user_permissions.set([permission(model, action)])
        failed += failures_at(client, iter([reverse("admin:index"), f"/admin/{model._meta.app_label}/"]))
        failed += failures_at(client, addresses_of(model))
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_who_may_look_at_everything_is_shown_everything(rows: None, model: type[Model]) -> None:
    client = staff_with(*Permission.objects.filter(codename__startswith="view_"))
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row: Any = admin.site._registry[model].model._default_manager.order_by("pk").last()
    changelist = reverse(f"{name}_changelist")
    assert client.get(changelist).status_code == 200
    for address in (reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_history", args=[row.pk])):
        assert client.get(address).status_code in (200, 302, 403), address
    for query in QUERIES:
        assert client.get(f"{changelist}{query}").status_code in (200, 302, 400, 403), query


def test_whoever_may_do_everything_finds_no_page_that_fails(rows: None) -> None:
    client = staff_with(*Permission.objects.all())
    assert not [failure for model in MODELS for failure in failures_at(client, addresses_of(model))]


def everything() -> dict[str, list[Any]]:
    """All rows of the models that the admin shows, but for what being there leaves."""
    left_by_visits = {"user": {"last_login"}}
    models = [model for model in MODELS if model not in (KnownDevice, Event)]
    return {
        model._meta.label: [
            {
                name: value
                for name, value in row.items()
                if name not in left_by_visits.get(model._meta.model_name or "", ())
            }
            for row in model._default_manager.order_by("pk").values()
        ]
        for model in models
    }


def posted(client: Client, address: str) -> list[str]:
    failed = []
    for form in FORMS:
        answer = client.post(address, form)
        if answer.status_code >= 500:
            failed.append(f"{answer.status_code} POST {address} {sorted(form)[:2]}")
    return failed


FORMS: list[dict[str, Any]] = [
    {},
    {
        "post": "yes",
        "action": "delete_selected",
        "_selected_action": "1",
        "_save": "1",
        "name": "\ufffd" * 300,
        "id": "x",
    },
    {"_new_secret": "1", "form-TOTAL_FORMS": "9" * 5000, "form-INITIAL_FORMS": "-1", "index": "9" * 5000, "fill": "1"},
]


def test_who_may_only_look_changes_nothing_by_posting(rows: None) -> None:
    client = staff_with(*Permission.objects.filter(codename__startswith="view_"))
    before = everything()
    failed = [failure for model in MODELS for address in addresses_of(model) for failure in posted(client, address)]
    assert not failed, "\n".join(failed)
    assert everything() == before
    assert not Event.objects.filter(who__username="staff").exclude(kind=log.Kind.LOOKED_AT).exists()


@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_odd_forms_are_no_failure_with_one_permission(rows: None, action: str) -> None:
    client, failed = staff_with(), []
    somebody = User.objects.get(username="staff")
    for model in MODELS:
        somebody.user_permissions.set([permission(model, action)])
        for address in list(addresses_of(model)):
            with transaction.atomic():
                failed += posted(client, address)
                transaction.set_rollback(True)
    assert not failed, "\n".join(failed)
