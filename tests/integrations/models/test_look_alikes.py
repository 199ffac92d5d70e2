"""An address that only looks like the old one gets a warning, and no way that is easier than asking."""

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import HttpConnection
from integrations.models.card.moved_addresses import differing_parts, looks_like
from tests import cast, walks
from tests.servers.hostile import HostileServer

OLD = "https://crm.northwind.example/api"


@pytest.mark.parametrize(
    "host",
    [
        "crm.northwlnd.example", "crm.n0rthwind.example", "crm.norhtwind.example", "crm.northwinds.example",
        "crm.northwin.example", "crm.nortnwind.example", "crm.nоrthwind.example", "crm.xn--nrthwind-abc.example",
        "crm.northwind.examp1e", "crm.northvvind.example",
    ],
)  # fmt: skip
def test_what_looks_like_the_old_address_is_noticed(host: str) -> None:
    assert looks_like(f"https://{host}/api", OLD)


@pytest.mark.parametrize(
    "url",
    [
        OLD, "https://crm2.northwind.example", "https://northwind.example", "https://api.harbor.example", "", "{}",
        "http://[", "https://crm.northwind.co.example", "https://127.0.0.1:8001/api",
    ],
)  # fmt: skip
def test_another_address_is_none_of_these(url: str) -> None:
    assert not looks_like(url, OLD)


@pytest.mark.parametrize(
    ("old", "new", "is_noticed"),
    [
        ("harbor.co.uk", "harb0r.co.uk", True),
        ("files.harbor.com.au", "files.harbour.com.au", True),
        ("files.harbor.co.uk", "file.harbor.co.uk", False),
        ("co.uk", "c0.uk", True),
    ],
)
def test_names_below_the_suffix_of_a_country_belong_to_different_people(old: str, new: str, is_noticed: bool) -> None:
    assert looks_like(f"https://{new}", f"https://{old}") is is_noticed


@pytest.mark.parametrize(
    ("one", "other", "parts"),
    [
        (
            "https://files.harbor.example",
            "https://files.harbor-cloud.example",
            ("https://files.", "harbor", ".example"),
        ),
        ("https://api.harbor.example", "https://harbor.example", ("https://", "api.", "harbor.example")),
        ("https://a.example:8443", "https://a.example", ("https://a.example", ":8443", "")),
        ("http://a.example", "https://a.example", ("", "http", "://a.example")),
        ("https://a.example", "", ("", "https://a.example", "")),
    ],
)
def test_the_part_that_differs_stands_out(one: str, other: str, parts: tuple[str, str, str]) -> None:
    assert differing_parts(one, other) == parts


@pytest.mark.django_db
def test_the_dialog_warns_and_offers_no_new_sign_in(amira: User, as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server)
    HttpConnection.objects.update(connection_url=OLD)
    cast.signed_in(amira, alias)
    address = f"/integrations/{alias.hex}/confirm-address/"
    HttpConnection.objects.update(connection_url="https://crm.harbor.example/api")
    page = walks.words(as_amira.get(address))
    assert "looks like the old one" not in page
    assert "dialog-authenticate" in page
    HttpConnection.objects.update(connection_url="https://crm.northwlnd.example/api")
    page = walks.words(as_amira.get(address))
    assert "The new address looks like the old one, but isn’t." in page
    assert "dialog-authenticate" not in page
    assert page.index("dialog-revoke") < page.index("dialog-confirm")
    assert "Confirm all the same" in page
    content = as_amira.get(address).content.decode()
    assert "https://crm.<b>northwind</b>.example" in content
    assert "https://crm.<b>northwlnd</b>.example" in content
