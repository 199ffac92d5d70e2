"""The demo's configuration template, from the empty form to a person's token, at the demo authorization server."""

import re
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client

from accounts.models import User
from integrations.models import Alias, ConfigurationTemplate, Token
from integrations.models.addresses import initiator_url
from integrations.models.card import integration_of
from integrations.personal_auth import PersonalAuthAPI
from integrations.provider_setup import doctor
from tests import cast, walks
from tests.admin.forms import opened
from tests.conftest import client_of
from tests.servers.demo_provider import Provider

pytestmark = pytest.mark.slow

DEMO = "OAuth Authorization Code Demo Configuration"


def register(provider: Provider, developer: requests.Session, redirect_url: str) -> tuple[str, str]:
    """What a developer does on the provider's page: client ID and secret."""
    page = developer.get(f"{provider.url}/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token
    fields = {"name": "From a template", "redirect_uri": redirect_url, "csrfmiddlewaretoken": token[1]}
    answer = developer.post(f"{provider.url}/new-application/", data=fields, headers={"Referer": page.url}, timeout=30)
    assert answer.headers["Cache-Control"] == "no-store"
    found = dict(re.findall(r'<code id="client-(id|secret)">([^<]+)</code>', answer.text))
    refused = developer.post(
        f"{provider.url}/new-application/",
        data={**fields, "redirect_uri": "javascript:alert(1)"},
        headers={"Referer": page.url},
        timeout=30,
    )
    assert refused.status_code == 400
    assert "Enter the whole address" in refused.text
    return found["id"], found["secret"]


@pytest.mark.django_db(transaction=True)
def test_a_template_leads_to_a_token(provider: Provider, amira: requests.Session, admin: User) -> None:
    template = ConfigurationTemplate.objects.get(name=DEMO)
    address = f"/admin/integrations/configurationtemplate/{template.pk}/new/"
    page = opened(client_of(admin), address)
    shown = re.search(r"https?://\S+/oauth_redirect\.do/[0-9a-f]{32}", page.text)
    assert shown
    client_id, client_secret = register(provider, amira, shown[0])
    answers = {"Authorization server": provider.url, "Client ID": client_id, "Name": "Northwind", "Alias": "nw"}
    typed = {page.named(label): text for label, text in answers.items()}
    client_of(admin).post(address, {**page.fields, **typed, "client_secret": client_secret})

    found = {finding.sentence: finding.whose for finding in doctor.examine_alias(Alias.objects.get())}
    assert {whose for whose in found.values() if whose} == set(), found
    person = cast.person("amira")
    browser: Client = client_of(person)
    leave = browser.get(initiator_url(walks.credential_of(Alias.objects.get())))
    asked = re.findall(r"<label>.*?> ([^<]+)</label>", amira.get(leave["Location"], timeout=30).text)
    card = integration_of(person, Alias.objects.get().pk)
    assert card
    assert sorted(asked) == sorted(card.requested_scope_labels), "other words at the provider than in Keyrack"
    back = urlsplit(provider.consent(amira, leave["Location"]))
    done = browser.get(f"{back.path}?{back.query}")
    assert b"is connected" in browser.get(done["Location"]).content
    token = Token.objects.get()
    assert token.account_label == "amira@northwind.example"
    assert PersonalAuthAPI(person).request("nw", "GET", "contacts/").status_code == 200
