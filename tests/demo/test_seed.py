"""The rows of the demo are such as an administrator could have made, and could save again."""

import stat
from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import include, path
from django.utils.html import strip_tags
from pytest_django import Settings

from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server.models import Approval
from demo import access, flows, itself, mail, seed
from demo.catalogue import CATALOGUE, Offer
from integrations.flows import actions
from integrations.models.card import integration_of
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.flows import RestStep, Subflow
from integrations.models.registry import Alias, GrantType, OAuthEntityScope, validation
from integrations.templatetags import keyrack
from tests import cast
from tests.conftest import client_of
from tests.urls import urlpatterns as site

urlpatterns = [*site, path("demo/", include("demo.urls"))]


@pytest.fixture
def amira(db: None) -> User:
    """Amira in Keyrack; elsewhere in this folder she is a session at the provider."""
    return cast.person("amira")


@pytest.mark.django_db
@pytest.mark.parametrize("offer", CATALOGUE, ids=lambda offer: offer.client_id)
def test_the_doctor_finds_no_fault_in_the_rows_of_the_demo(offer: Offer) -> None:
    assert not [*validation.find_faults(seed.registration(offer, "http://localhost:8001"))]


@pytest.mark.django_db
def test_the_configuration_template_presets_the_address_that_the_provider_took(admin: User) -> None:
    seed.preset_template("http://localhost:8377")
    template = ConfigurationTemplate.objects.get(key=seed.TEMPLATE)
    page = client_of(admin).get(f"/admin/integrations/configurationtemplate/{template.pk}/new/")
    assert 'value="http://localhost:8377"' in page.content.decode()


@pytest.mark.slow
@pytest.mark.django_db
def test_the_subflow_that_the_documents_run_takes_their_input() -> None:
    for offer in CATALOGUE:
        seed.integration(offer, "http://localhost:8001")
    flows.rows()
    declared = Subflow.objects.get(name="my_open_incidents").inputs
    assert actions.validate_inputs(declared, {"limit": 2}) == {"limit": 2}
    assert actions.validate_inputs(declared, {}) == {"limit": 5}
    assert RestStep.objects.get(action__name="open_incidents").query == [["limit", "{{ inputs.limit }}"]]


def test_no_two_tiles_of_the_demo_are_alike() -> None:
    names = [*(offer.name for offer in CATALOGUE), itself.NAME]
    assert len({(keyrack.tile_hue(name), keyrack.tile_cut(name)) for name in names}) == len(names)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("offer", [offer for offer in CATALOGUE if offer.name in ("northwind", "records_service")])
def test_no_page_says_that_a_provider_is_localhost(offer: Offer, amira: User, as_amira: Client) -> None:
    """Every provider of the demo is there, so the word tells none from another."""
    seed.integration(offer, "http://localhost:8001")
    alias = Alias.objects.get()
    integration = integration_of(amira, alias.pk)
    assert integration
    pages = ["/integrations/", f"/integrations/{alias.hex}/"]
    pages += [integration.initiator_url] if offer.grant_type == GrantType.PASSWORD else []
    for said in [strip_tags(as_amira.get(page).content.decode()) for page in pages]:
        assert offer.label in said
        assert "localhost" not in said


@pytest.mark.django_db
def test_the_start_page_does_not_name_localhost_either(amira: User) -> None:
    seed.integration(CATALOGUE[0], "http://localhost:8001")
    integration = integration_of(amira, Alias.objects.get().pk)
    assert integration
    page = client_of(amira).get(integration.initiator_url, headers={"Sec-Fetch-Site": "cross-site"}).content.decode()
    assert f"sign in at <strong>{CATALOGUE[0].label}</strong>" in page
    assert "localhost" not in page


@pytest.mark.django_db
def test_the_provider_is_told_the_words_that_keyrack_uses_for_a_scope() -> None:
    seed.integration(CATALOGUE[0], "http://localhost:8001")
    (client,) = seed.clients()
    words = OAuthEntityScope.objects.values_list("scope", "name")
    assert client["scope_words"] == dict(words)


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_account_security_has_a_token_a_program_and_a_session_to_end(
    amira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[str] = []
    monkeypatch.setattr(access, "open_on_phone", visits.append)
    for _start in range(2):
        access.seed(amira)
    assert PermanentToken.objects.get().name == "Nightly report"
    assert Approval.objects.get().application.name == "Field Notes"
    assert len(visits) == 1
    page = client_of(amira).get("/accounts/security/").content.decode()
    assert "Nightly report" in page
    assert "Field Notes" in page


def test_mail_of_the_demo_is_a_private_file_and_one_line_without_its_text(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DATA_DIR = tmp_path
    message = EmailMessage("Sign in again", "the text", "keyrack@localhost", ["amira@northwind.example"])
    assert mail.MailFolder().send_messages([message, message]) == 2
    files = list((tmp_path / "mail").iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert "the text" in files[0].read_text()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(
        "amira@northwind.example" in line and "Sign in again" in line and "the text" not in line for line in lines
    )
