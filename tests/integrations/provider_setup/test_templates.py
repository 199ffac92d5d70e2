"""The templates that come with Keyrack are whole and true to what the code can do, and make all rows or none."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client import dialects, json_pointers
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Unreachable
from foundation.oauth_client.registration import is_host_pattern, trusted_origin
from integrations import calls
from integrations.models import (
    Alias,
    ApplicationRegistry,
    ConfigurationTemplate,
    OAuth2Credential,
    OAuthEntityProfile,
    Token,
    definitions,
)
from integrations.models.definitions import SAMPLES, BadDefinition, Definition
from integrations.models.registry import validation
from integrations.provider_setup import from_template
from integrations.provider_setup.from_template import Answers
from tests import cast, walks
from tests.foundation.oauth_client.test_dialects import SHAPES
from tests.servers.hostile import HostileServer

SHIPPED = {row["key"]: row for row in from_template.shipped_templates()}
DEMO = "OAuth Authorization Code Demo Configuration"


def definition_of(key: str) -> Definition:
    return definitions.parse_definition(from_template.definition_of(SHIPPED[key]))


def wanted(definition: Definition, name: str = "Sample", **fields: Any) -> Answers:
    return Answers(
        **{
            "name": name,
            "alias": name.lower().replace("-", "_"),
            "client_id": "keyrack",
            "client_secret": "CANARY-client-secret",
            "answers": {each.name: SAMPLES[each.kind] for each in definition.questions},
            "scopes": tuple((each.scope, each.name) for each in definition.scopes),
            "registry_id": uuid4(),
            **fields,
        }
    )


def test_there_are_eighty_providers_and_the_demo_each_once() -> None:
    assert (
        len(SHIPPED)
        == len(from_template.shipped_templates())
        == len({row["name"] for row in from_template.shipped_templates()})
    )
    assert len(SHIPPED) >= 82
    assert SHIPPED["oauth-authorization-code-demo"]["name"] == DEMO


@pytest.mark.parametrize("key", SHIPPED)
def test_each_file_is_understood_and_leads_to_https_alone(key: str) -> None:
    definition = definition_of(key)
    fields = definition.registry_fields({each.name: SAMPLES[each.kind] for each in definition.questions})
    addresses = [fields[name] for name in validation.ADDRESSES if fields.get(name)]
    assert all(url.startswith("https://") for url in addresses)
    assert fields["token_url"]
    assert set(definition.unverified) <= {*fields, *definitions.OTHERS}


@pytest.mark.parametrize("key", SHIPPED)
def test_an_address_that_nobody_confirmed_makes_what_is_read_there_unconfirmed(key: str) -> None:
    definition = definition_of(key)
    paths = {name: definition.registry.get(name, "") for name in ("account_id_path", "account_label_path")}
    read_there = {name for name, path in paths.items() if path and not path.startswith("/token_answer/")}
    if "userinfo_url" in definition.unverified:
        assert read_there <= set(definition.unverified)
    if "token_revocation_url" in definition.unverified:
        assert "revocation_request" in definition.unverified


@pytest.mark.parametrize("key", [key for key, row in SHIPPED.items() if row["registry"].get("token_revocation_url")])
def test_each_revocation_is_a_shape_that_is_tested_on_the_wire(key: str) -> None:
    def essence(request: Any) -> tuple[object, ...]:
        read = dialects.parse_dialect(request)
        names_it = read.body != "none" and bool(read.token_field)
        sent = (read.hint, read.send[0]) if names_it else ()
        return (read.method, read.client_authentication, read.body, bool(read.fields), names_it, *sent)

    raw = SHIPPED[key]["registry"].get("revocation_request", {})
    assert essence(raw) in {essence(shape.request) for shape in SHAPES.values()}


@pytest.mark.slow
@pytest.mark.django_db
def test_each_makes_rows_that_the_forms_would_accept() -> None:
    for key in SHIPPED:
        definition = definition_of(key)
        alias = from_template.create_integration(definition, wanted(definition, key))
        registry = ApplicationRegistry.objects.get(name=key)
        assert not list(validation.find_faults(registry))
        registry.full_clean(exclude=["client_secret", "logo"])
        assert {code for _text, code in validation.find_shortcomings(registry)} <= {"keyrack.W014"}, key
        credential = walks.credential_of(alias)
        assert credential.registry == registry
        assert credential.profile.scope_values() == sorted(each.scope for each in definition.scopes)


@pytest.mark.django_db
def test_a_clash_leaves_nothing_behind() -> None:
    definition = definition_of("github")
    Alias.objects.create(name="sample")
    with pytest.raises(IntegrityError):
        from_template.create_integration(definition, wanted(definition))
    for model in (ApplicationRegistry, OAuthEntityProfile, OAuth2Credential):
        assert not model._default_manager.exists()


@pytest.mark.django_db
def test_a_release_brings_its_templates_up_to_date_and_leaves_ones_own_alone() -> None:
    rows = ConfigurationTemplate.objects
    own = rows.create(name="GitHub", definition=from_template.definition_of(SHIPPED["github"]))
    rows.filter(key="github").update(name="Old name")
    rows.filter(key="gitlab").delete()
    rows.create(key="gone", name="Gone", definition={})
    kept = rows.get(key="google").pk
    from_template.update_shipped_templates("default")
    assert set(rows.exclude(key="").values_list("key", flat=True)) == set(SHIPPED)
    assert rows.get(key="github").name == "GitHub"
    assert rows.get(key="google").pk == kept
    assert rows.get(key="").pk == own.pk


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"surprise": 1}, "can’t contain “surprise”"),
        ({"registry": {"client_secret": "CANARY"}}, "can’t contain “client_secret”"),
        ({"registry": {"token_url": "https://a.example/t", "pkce_required": "perhaps"}}, "pkce_required"),
        ({"registry": {"token_url": "https://a.example/t"}}, "needs “authorization_url”"),
        ({"registry": {"token_url": "http://a.example/t", "authorization_url": "https://a.example"}}, "“token_url”"),
        ({"registry": {"token_url": "https://{host}/t", "authorization_url": "https://a.example"}}, "token_url"),
        ({"connection_url": ""}, "needs “connection_url”"),
        ({"connection_url": "https://a.example/{where}"}, "connection_url"),
        ({"questions": [{"name": "token", "label": "T", "kind": "host"}]}, "reserved for a token"),
        ({"questions": [{"name": "a", "label": "A", "kind": "number"}]}, "its kind one of: address"),
        ({"questions": [{"name": "a", "label": "A", "kind": "host", "default": "a b"}]}, "The default of “a”"),
        ({"questions": [{"name": "a"}]}, "Something is missing in “questions”"),
        ({"scopes": [{"scope": "a", "name": "A"}, {"scope": "a", "name": "B"}]}, "A scope is named twice"),
        ({"scopes": [{"scope": "a b", "name": "A"}]}, "One scope, without spaces"),
        ({"scopes": [{"scope": "a", "name": "A", "chosen": "no"}]}, "has the wrong type"),
        ({"scopes": "openid"}, "“scopes” must be a list"),
        ({"notes": [1]}, "a list of texts"),
        ({"rotation": "daily"}, "“rotation” must be one of"),
        ({"unverified": ["weather"]}, "“unverified” must name fields"),
    ],
)
def test_a_template_that_could_not_work_is_refused_in_words(change: dict[str, Any], sentence: str) -> None:
    sound = from_template.definition_of(SHIPPED["github"])
    with pytest.raises(BadDefinition) as caught:
        definitions.parse_definition({**sound, **change})
    assert sentence in str(caught.value)
    assert "CANARY" not in str(caught.value)


# The base URL that a token answer names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ("https://na1.salesforce.com", "https://na1.salesforce.com"),
        ("https://na1.salesforce.com:443/", "https://na1.salesforce.com"),
        ("https://a.b.my.salesforce.com/services", "https://a.b.my.salesforce.com"),
        ("https://exact.example", "https://exact.example"),
        ("http://na1.salesforce.com", ""),
        ("https://na1.salesforce.com:8443", ""),
        ("https://salesforce.com", ""),
        ("https://evilsalesforce.com", ""),
        ("https://na1.salesforce.com.evil.example", ""),
        ("https://na1.salesforce.com@evil.example", ""),
        ("https://evil.example#.salesforce.com", ""),
        ("https://evil.example\\.salesforce.com", ""),
        ("https://[::1]", ""),
        ("https://[", ""),
        ("https://na1.salesforce.com:x", ""),
        ("", ""),
    ],
)
def test_a_base_url_is_believed_only_on_hosts_that_are_expected(told: str, believed: str) -> None:
    assert trusted_origin(told, "*.salesforce.com exact.example") == believed


def test_a_pattern_for_half_the_internet_is_none() -> None:
    assert [each for each in ("*.com", "*", "com", "*.a.com", "a.com", "a.*", "") if is_host_pattern(each)] == [
        "*.a.com",
        "a.com",
    ]


def at_salesforce(amira: User, server: HostileServer) -> Token:
    fields = {"base_url_path": "/instance_url", "base_url_hosts": "*.salesforce.example"}
    alias = cast.integration_at(cast.registry_at(server.url, **fields))
    token = cast.signed_in(amira, alias)
    token.take(
        TokenAnswer(
            access_token="CANARY-access-2", token_type="Bearer", unverified_base_url="https://na1.salesforce.example"
        ),
        registry=walks.registry_of(alias),
    )
    token.save()
    return token


@pytest.mark.django_db
def test_a_call_goes_to_the_server_that_the_token_answer_named(amira: User, server: HostileServer) -> None:
    token = at_salesforce(amira, server)
    token = Token.objects.get(pk=token.pk)
    assert (
        token.at_home("https://login.example/services/data?q=1") == "https://na1.salesforce.example/services/data?q=1"
    )
    connection = Alias.objects.get().connection
    assert connection
    with pytest.raises(Unreachable):  # nobody answers there, and the token goes nowhere else
        calls.send(amira, connection, "GET", "/contacts")
    assert not server.calls


@pytest.mark.django_db
def test_a_base_url_that_was_written_into_the_row_is_not_followed(amira: User, server: HostileServer) -> None:
    token = at_salesforce(amira, server)
    forged = Token.objects.filter(pk=token.pk).values_list("access_token", flat=True).get()
    Token.objects.filter(pk=token.pk).update(base_url=forged)
    assert Token.objects.get(pk=token.pk).at_home(f"{server.url}/x") == f"{server.url}/x"


@pytest.mark.django_db
def test_a_base_url_elsewhere_is_not_kept_and_a_renewal_that_names_none_changes_nothing(
    amira: User, server: HostileServer
) -> None:
    token = at_salesforce(amira, server)
    for told in ("https://evil.example", ""):
        answer = TokenAnswer(access_token="CANARY-access-3", token_type="Bearer", unverified_base_url=told)
        token.take(answer, registry=token.credential.registry)
        assert token.base_url == "https://na1.salesforce.example"


@pytest.mark.django_db
def test_a_sign_in_keeps_the_base_url_of_its_answer(amira: User, as_amira: Any, server: HostileServer) -> None:
    fields = {
        "base_url_path": "/instance_url",
        "base_url_hosts": "*.salesforce.example",
        "scope_parameter": "user_scope",
    }
    alias = walks.northwind(server, **fields)
    walks.grants(server, instance_url="https://na7.salesforce.example")
    left = walks.asked(walks.start(as_amira, alias))
    assert left["user_scope"] == "read"
    assert "scope" not in left
    as_amira.get(walks.come_back(as_amira, alias, left["state"])["Location"])
    token = Token.objects.get()
    assert token.base_url == "https://na7.salesforce.example"
    assert token.signed_in_at <= timezone.now()


def test_pointers_lead_into_lists_too() -> None:
    found = {"data": [{"id": "a/b"}], "0": "zero"}
    assert json_pointers.resolve(found, "/data/0/id") == "a/b"
    assert json_pointers.resolve(found, "/0") == "zero"
    for nowhere in ("/data/1/id", "/data/-1", "/data/x", "/data/0/id/0", "/data/٠"):
        assert json_pointers.resolve(found, nowhere) is None
