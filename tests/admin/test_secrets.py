"""No page of the admin shows a secret, and none can be asked about one."""

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from foundation.secrets_at_rest import EncryptedField
from integrations.models import Alias, AuthorizationAttempt, Event, Revocation, SubflowRun, Token
from tests import cast

MODELS = [model for model in admin.site._registry if model._meta.app_label == "integrations"]
ASKED = "ANARY-a"  # a piece of each stored canary that a page could match, and not echo, when it is asked
SECRETS = [
    (model, field.name) for model in MODELS for field in model._meta.get_fields() if isinstance(field, EncryptedField)
]


@pytest.fixture
def filled(token: Token, bob: User) -> None:
    """A row of each kind, with a canary wherever a secret can be."""
    credential = token.credential
    attempt = AuthorizationAttempt(user=bob, credential=credential, registry=credential.registry, state_hash="x")
    attempt.code_verifier, attempt.nonce, attempt.answer = "CANARY-verifier", "CANARY-nonce", "CANARY-answer"
    attempt.choices = "CANARY-choices"
    attempt.save()
    token.provider_values = '{"tenant": "CANARY-values"}'
    token.base_url = "https://CANARY-address.example"
    token.save(update_fields=["provider_values", "base_url"])
    cast.signed_in(bob, Alias.objects.get()).end(reason="revoked")
    Event.objects.create(whose=bob, subject_id=credential.pk, kind="connected")
    sealed = {"sealed_inputs": "CANARY-inputs", "sealed_outputs": "CANARY-outputs"}
    SubflowRun.objects.create(name="weekly", user=bob, run_as="user", ends_by=timezone.now(), **sealed)


def addresses() -> Iterator[str]:
    yield from ("/admin/", "/admin/integrations/", "/admin/accounts/user/")
    for model in MODELS:
        base = f"/admin/integrations/{model._meta.model_name}/"
        yield from (base, f"{base}add/", f"{base}?q={ASKED}", f"{base}?o=1.2.3")
        label = f"app_label=integrations&model_name={model._meta.model_name}"
        yield f"/admin/autocomplete/?{label}&field_name=credential&term={ASKED}"
        for pk in model._default_manager.values_list("pk", flat=True)[:9]:  # many templates come with the site
            yield from (f"{base}{pk}/{page}/" for page in ("change", "delete", "history"))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["as_admin", "as_onlooker"])
@pytest.mark.usefixtures("filled")
def test_no_page_shows_a_secret(request: pytest.FixtureRequest, who: str) -> None:
    client: Client = request.getfixturevalue(who)
    seen = 0
    for address in addresses():
        response = client.get(address)
        assert response.status_code in {200, 403}, (address, response.status_code)
        assert "CANARY" not in response.content.decode(), address
        seen += response.status_code == 200
    assert seen > 3 * len(MODELS)


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_no_sealed_bytes_are_shown_either(as_onlooker: Client) -> None:
    for model, name in SECRETS:
        row = model._default_manager.exclude(**{name: None}).first()
        assert row, (model, name)
        page = as_onlooker.get(f"/admin/integrations/{model._meta.model_name}/{row.pk}/change/")
        assert page.status_code == 200, (model, name)
        assert repr(bytes(row.__dict__[name]))[2:30] not in page.content.decode(), (model, name)


@pytest.mark.parametrize("lookup", ["__startswith", "__contains", "__gt", "__isnull", ""])
def test_asking_about_a_secret_is_refused(as_admin: Client, lookup: str) -> None:
    for model, name in SECRETS:
        response = as_admin.get(f"/admin/integrations/{model._meta.model_name}/?{name}{lookup}=CANARY")
        assert response.status_code == 400, (model, name)


def test_asking_about_a_hash_is_refused_in_every_model(as_admin: Client) -> None:
    """Asking by prefix would reveal it letter by letter."""
    asked = set()
    for model in admin.site._registry:
        for field in model._meta.concrete_fields:
            if re.search("_hash$|^(client_)?secret$|password$|checksum$", field.name):
                address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                response = as_admin.get(f"{address}?{field.name}__startswith=a")
                assert response.status_code == 400, (model, field.name)
                asked.add(f"{model.__name__}.{field.name}")
    assert {"Application.client_secret", "ConnectLink.secret_hash", "User.password"} <= asked


@pytest.mark.parametrize(
    "query",
    [
        "token/?credential__profile__registry__client_secret__startswith=C",
        "token/?user__password__startswith=md5",
        "oauth2credential/?tokens__access_token__startswith=C",
        "revocation/?registry__client_secret__gt=C",
        "alias/?credential__tokens__refresh_token__isnull=1",
    ],
)
def test_asking_about_a_secret_by_a_detour_is_refused(as_admin: Client, query: str) -> None:
    assert as_admin.get(f"/admin/integrations/{query}").status_code == 400


def test_every_kind_of_secret_is_looked_for() -> None:
    of_runs = {"sealed_inputs", "sealed_outputs"}
    assert {name for _model, name in SECRETS} == {
        "client_secret",
        "access_token",
        "refresh_token",
        "base_url",
        "provider_values",
        *of_runs,
    }
    assert AuthorizationAttempt not in MODELS
    assert Revocation in MODELS
