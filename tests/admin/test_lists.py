"""Lists ask the database as often for many rows as for few."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.models import Alias, ApplicationRegistry
from tests import cast

pytestmark = pytest.mark.slow


def asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    "model", ["applicationregistry", "oauth2credential", "alias", "httpconnection", "token", "oauthentityprofile"]
)
def test_more_rows_need_no_more_queries(
    as_admin: Client, registry: ApplicationRegistry, northwind: Alias, model: str
) -> None:
    cast.signed_in(cast.person("first"), northwind)
    address = f"/admin/integrations/{model}/"
    asked(as_admin, address)
    few = asked(as_admin, address)
    for number in range(4):
        other = cast.registry_at(f"https://p{number}.example", name=f"P{number}")
        alias = cast.integration_at(other, name=f"alias{number}")
        cast.signed_in(cast.person(f"person{number}"), alias)
    assert asked(as_admin, address) == few
