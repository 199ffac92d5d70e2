"""More than Django reads, from anybody: refused, and no fault of ours that fills logs and mailboxes."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
MANY = {str(number): "x" for number in range(2000)}
FORMS = ["/accounts/login/", "/admin/login/", "/o/token/"]
PAGES = [*FORMS, "/", "/admin/", "/integrations/", "/oauth_initiator.do", "/remote-tables/", "/api/v1/integrations/"]


@pytest.fixture
def no_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Administrators get a mail for each."""
    yield
    assert [record.message for record in caplog.get_records("call") if record.levelname == "ERROR"] == []


@pytest.mark.usefixtures("no_error")
@pytest.mark.parametrize("address", FORMS)
@pytest.mark.parametrize("form", [{"username": "x" * (50 << 20)}, MANY], ids=["50 MB", "2000 fields"])
@pytest.mark.parametrize("is_multipart", [False, True])
@pytest.mark.slow
def test_a_form_that_is_too_large_is_refused(
    form: dict[str, str], is_multipart: bool, address: str, as_amira: Client
) -> None:
    sent = {"data": form} if is_multipart else {"data": urlencode(form), "content_type": FORM}
    assert as_amira.post(address, **sent).status_code == 400


@pytest.mark.usefixtures("no_error")
@pytest.mark.parametrize("address", PAGES)
def test_a_query_with_too_many_fields_is_refused_where_it_is_read(address: str, as_amira: Client, admin: User) -> None:
    as_amira.force_login(admin)
    assert as_amira.get(f"{address}?{urlencode(MANY)}").status_code in {200, 302, 400, 404, 405}
