"""Configuration Templates as an administrator uses them: a list, a few questions, a preview, and all is there."""

import json
import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from integrations.models import (
    Alias,
    ApplicationRegistry,
    ConfigurationTemplate,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
)
from tests import cast
from tests.admin.forms import complaints, opened, submitted
from tests.conftest import client_of

pytestmark = pytest.mark.slow

LIST = "/admin/integrations/configurationtemplate/"
DEMO = "OAuth Authorization Code Demo Configuration"
SECRET = "CANARY-typed-secret"
TYPED = {
    "Authorization server": "https://login.northwind.example",
    "Client ID": "keyrack-1",
    "Client Secret": SECRET,
    "Name": "Northwind",
    "Alias": "northwind",
}
MADE = (ApplicationRegistry, OAuthEntityProfile, OAuth2Credential, Alias, HttpConnection)


def template(name: str = DEMO) -> ConfigurationTemplate:
    return ConfigurationTemplate.objects.get(name=name)


def new_page(name: str = DEMO) -> str:
    return f"{LIST}{template(name).pk}/new/"


def made() -> int:
    return sum(model._default_manager.count() for model in MADE)


def test_the_list_names_each_template_and_where_it_leads(as_admin: Client) -> None:
    text = opened(as_admin, LIST).text
    for name in (DEMO, "GitHub", "Google", "Salesforce", "ServiceNow"):
        assert name in text
    assert "oauth2.googleapis.com" in text
    assert "Configuration Templates" in opened(as_admin, "/admin/records/").text


def test_a_few_answers_make_everything_a_person_needs(as_admin: Client) -> None:
    page = opened(as_admin, new_page())
    redirect_url = re.search(r"https?://\S+/oauth_redirect\.do/[0-9a-f]{32}", page.text)
    assert redirect_url
    chosen = {"scopes": ["openid", "notes:read"]}
    typed = {page.named(label): text for label, text in TYPED.items()}
    other = {"other_scopes": "offline_access Stay signed in\nphone"}
    response = as_admin.post(new_page(), {**page.fields, **typed, **chosen, **other}, follow=True)

    alias = Alias.objects.complete().get()
    connection, registry = alias.connection, ApplicationRegistry.objects.get()
    assert response.request["PATH_INFO"] == f"/admin/integrations/alias/{alias.pk}/change/"
    assert connection is not None
    assert connection.credential is not None
    assert connection.connection_url == "https://login.northwind.example/api/"
    assert (registry.client_id, registry.client_secret) == ("keyrack-1", SECRET)
    assert registry.token_url == "https://login.northwind.example/o/token/"
    assert registry.redirect_url == redirect_url[0]
    assert connection.credential.is_personal
    assert connection.credential.profile.scope_values() == ["notes:read", "offline_access", "openid", "phone"]
    assert registry.scopes.get(scope="offline_access").name == "Stay signed in"
    assert redirect_url[0] in response.content.decode()
    assert SECRET not in response.content.decode()


def test_a_preview_shows_what_would_be_made_and_never_the_secret(as_admin: Client) -> None:
    response = submitted(as_admin, new_page(), TYPED, button="_preview")
    html = response.content.decode()
    assert "https://login.northwind.example/o/token/" in html
    assert "Enter it again" in html
    page = opened(as_admin, new_page())
    fields = {**page.fields, **{page.named(label): text for label, text in TYPED.items()}, "_preview": "1"}
    partial = as_admin.post(new_page(), fields, headers={"HX-Request": "true"}).content.decode()
    assert "What will be created" in partial
    assert "<form" not in partial
    assert made() == 0
    assert SECRET not in html + partial


def test_what_no_page_of_the_provider_confirms_is_marked(as_admin: Client) -> None:
    definition = {**template("Okta").definition, "unverified": ["token_introspection_url"]}
    ConfigurationTemplate.objects.create(name="Own", definition=definition)
    typed = {"Client ID": "k", "Client Secret": SECRET, "Okta domain": "login.northwind.example"}
    html = submitted(as_admin, new_page("Own"), typed, button="_preview").content.decode()
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>\s*<td>(.*?)</td>', html, re.DOTALL))
    assert "not verified" in rows["Token Introspection URL"]
    assert "not verified" not in rows["Token URL"]


def test_a_template_without_recorded_answers_is_marked_where_it_is_chosen(as_admin: Client) -> None:
    ConfigurationTemplate.objects.create(name="Own", definition=template("Okta").definition)
    rows = dict(
        re.findall(
            r'field-name"><a [^>]*>(.*?)</a>.*?field-verified">(.*?)</td>',
            as_admin.get(LIST).content.decode(),
            re.DOTALL,
        )
    )
    assert (rows["Okta"], rows["Own"]) == ("recorded", "not verified")
    sentence = "Nobody has recorded what this provider answers"
    assert sentence in opened(as_admin, new_page("Own")).text
    assert sentence not in opened(as_admin, new_page("Okta")).text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"Name": "Northwind"}, "There’s already an application registry with this name."),
        ({"Name": "taken"}, "There’s already an OAuth 2.0 credential with this name."),
        ({"Alias": "taken"}, "There’s already an alias with this name."),
        ({"Alias": "no good"}, "Letters, digits and underscores only."),
        ({"Authorization server": "login.example"}, "Enter an address"),
        ({"Authorization server": "http://login.example"}, "Enter an https:// address"),
        ({"Authorization server": "https://10.0.0.1"}, "neither on the public internet"),
        ({"Client Secret": ""}, "This field is required."),
        ({"Other scopes": "a“b"}, "One scope, without spaces"),
    ],
)
def test_what_cannot_be_made_is_said_in_words_and_nothing_is_made(
    typed: dict[str, str], sentence: str, as_admin: Client, registry: ApplicationRegistry
) -> None:
    cast.integration_at(registry, name="taken")
    before = made()
    answers = {**TYPED, "Name": "Fresh", "Alias": "fresh", **typed}
    response = submitted(as_admin, new_page(), answers, button="_create")
    assert sentence in response.content.decode()
    assert made() == before
    assert SECRET not in response.content.decode()


HOST, ADDRESS = "Enter a host alone", "Enter an address"


@pytest.mark.parametrize(
    ("name", "label", "text", "sentence"),
    [
        *(("Salesforce", "Login host", text, HOST) for text in ("a.example/path", "https://a.example", "a..example")),
        *(
            ("Salesforce", "Login host", text, HOST)
            for text in ("a.example:99999", "a.example.", "x" * 64, "u@a.example")
        ),
        *(("GitLab", "GitLab server", text, ADDRESS) for text in ("https://a.example:99999", "https://a.example:x")),
        *(("GitLab", "GitLab server", text, ADDRESS) for text in ("https://a.example/{x}", "https://{x}", "https://")),
        ("Shopify (as the user)", "Shop", "my-shop.myshopify.com", "one part of a host’s name"),
        ("Microsoft 365 (Microsoft Graph)", "Tenant", "..", "one part of an address"),
        ("GitHub", "Client ID", "a\tb", "one line, without control characters"),
        ("GitHub", "Client Secret", "  ", "only spaces"),
        ("GitHub", "Other scopes", "x" * 600, f"{'x' * 60}: Ensure"),
    ],
)
@pytest.mark.parametrize("button", ["_create", "_preview"])
def test_a_bad_answer_is_told_beside_its_field(
    button: str, name: str, label: str, text: str, sentence: str, as_admin: Client
) -> None:
    page = opened(as_admin, new_page(name))
    typed = {"Client ID": "k", "Client Secret": SECRET, label: text}
    response = submitted(as_admin, new_page(name), typed, button=button)
    errors = response.context["form"].errors
    assert list(errors) == [page.named(label)]
    assert sentence in " ".join(errors[page.named(label)])
    assert made() == 0
    assert SECRET not in response.content.decode()


def test_a_server_that_may_not_be_called_is_told_beside_the_answer_that_named_it(as_admin: Client) -> None:
    typed = {"Client ID": "k", "Client Secret": SECRET, "Realm": "https://login.northwind.example/realms/n"}
    response = submitted(as_admin, new_page("Keycloak"), {**typed, "API": "https://10.0.0.1"}, button="_create")
    assert list(response.context["form"].errors) == ["answer_api_url"]
    assert made() == 0


def test_one_empty_form_makes_one_integration(as_admin: Client) -> None:
    page = opened(as_admin, new_page())
    fields = {**page.fields, **{page.named(label): text for label, text in TYPED.items()}}
    as_admin.post(new_page(), fields)
    again = as_admin.post(new_page(), {**fields, "name": "Another", "alias": "another"})
    assert "This page was already saved." in again.content.decode()
    assert Alias.objects.count() == 1


def test_only_who_may_add_each_part_makes_something_of_a_template(as_onlooker: Client) -> None:
    assert opened(as_onlooker, f"{LIST}{template().pk}/change/").text.count("{server}/o/token/") == 1
    assert as_onlooker.get(new_page()).status_code == 403
    assert as_onlooker.post(new_page(), {"name": "x"}).status_code == 403
    assert as_onlooker.post(f"{LIST}{template().pk}/copy/").status_code == 403
    half = cast.person("half", is_staff=True)
    half.user_permissions.set(Permission.objects.filter(codename__in=["view_configurationtemplate", "add_alias"]))
    assert client_of(half).get(new_page()).status_code == 403
    assert made() == 0


def test_what_comes_with_keyrack_is_copied_and_not_changed(as_admin: Client) -> None:
    shipped = template("GitLab")
    address = f"{LIST}{shipped.pk}/"
    assert as_admin.post(f"{address}change/", {"name": "Mine", "definition": "{}"}).status_code == 403
    assert as_admin.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    many = {"action": "delete_selected", "_selected_action": [str(shipped.pk)], "post": "yes"}
    as_admin.post(LIST, many)
    shipped.refresh_from_db()
    assert shipped.name == "GitLab"

    for _ in range(2):
        copied = as_admin.post(f"{address}copy/", follow=True)
    copies = ConfigurationTemplate.objects.filter(key="").order_by("name")
    assert [each.name for each in copies] == ["GitLab (own)", "GitLab (own) 2"]
    assert not complaints(copied)
    definition = {**copies[0].definition, "connection_url": "{base}/api/v5"}
    page = f"{LIST}{copies[0].pk}/change/"
    assert not complaints(submitted(as_admin, page, {"Definition": json.dumps(definition)}))
    submitted(as_admin, f"{LIST}{copies[0].pk}/new/", {**TYPED_OWN}, button="_create")
    assert HttpConnection.objects.get().connection_url == "https://git.northwind.example/api/v5"

    bad = submitted(as_admin, page, {"Definition": json.dumps({**definition, "surprise": 1})})
    assert "can’t contain “surprise”" in " ".join(complaints(bad))


TYPED_OWN = {
    "GitLab server": "https://git.northwind.example",
    "Client ID": "k",
    "Client Secret": SECRET,
    "Alias": "git",
}


def test_every_template_has_its_page_and_its_form(as_admin: Client, admin: User) -> None:
    for each in ConfigurationTemplate.objects.all():
        page = opened(as_admin, f"{LIST}{each.pk}/new/")
        assert "oauth_redirect.do/" in page.text
        assert page.fields["alias"][0]
        assert re.fullmatch(r"\w+", page.fields["alias"][0])
