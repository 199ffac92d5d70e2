"""The OAuth server and the API read the integrations that a request is about, however many others there are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts import scopes
from accounts.access_tokens import operations
from accounts.models import User
from accounts.oauth_server import grants
from accounts.oauth_server.models import Application
from integrations.models import Alias, OAuth2Credential
from tests import cast
from tests.accounts import programs, proofs
from tests.accounts.programs import ask, exchange, granted, introspect, program, refresh
from tests.accounts.test_reach import aliases as aliases
from tests.accounts.tokens import caller, make_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("aliases", "many_others")]
OTHERS = 500
SCOPES = "integrations:read service:copper service:delta"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def many_others(aliases: list[Alias]) -> None:
    """Integrations that the person sees, and does not ask for."""
    credential = OAuth2Credential.objects.first()
    others = [Alias(name=f"other_{number}", type="credential", credential=credential) for number in range(OTHERS)]
    Alias.objects.bulk_create(others)


@pytest.fixture(params=[SCOPES, "integrations:read service:*"], ids=["two integrations", "all integrations"])
def digest(request: pytest.FixtureRequest, aliases: list[Alias]) -> Application:
    return program(may_introspect=True, allowed_scopes=request.param)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A context that yields the names of the aliases that are read from the database within."""
    names: list[str] = []
    from_db = Alias.from_db.__func__  # type: ignore[attr-defined]  # of a class method

    def note(cls: type[Alias], *arguments: Any) -> Alias:
        row: Alias = from_db(cls, *arguments)
        names.append(row.__dict__.get("name", "?"))
        return row

    monkeypatch.setattr(Alias, "from_db", classmethod(note))

    @contextmanager
    def reading() -> Iterator[list[str]]:
        names.clear()
        yield names

    return reading


def assert_few(names: list[str]) -> None:
    assert {name for name in names if name.startswith("other_")} == set()


@pytest.mark.slow
def test_the_whole_grant_reads_what_it_is_about(as_amira: Client, digest: Application, read: Any) -> None:
    with read() as names:
        code = ask(as_amira, scope=SCOPES)["code"]
        assert_few(names)
    with read() as names:
        tokens = exchange(code).json()
        assert_few(names)
    assert tokens["scope"] == SCOPES
    with read() as names:
        assert introspect(tokens["access_token"]).json()["scope"] == SCOPES
        assert_few(names)
    with read() as names:
        renewed = refresh(tokens["refresh_token"]).json()
        assert_few(names)
    assert renewed["scope"] == SCOPES
    with read() as names:
        again = ask(as_amira, scope=SCOPES)  # approved before
        assert "code" in again
        assert_few(names)


@pytest.mark.parametrize("path", ["delta/", "delta/initiator-url/", "delta/token/"])
@pytest.mark.slow
def test_a_call_outside_the_fast_path_reads_the_scopes_of_its_token(
    path: str, as_amira: Client, digest: Application, read: Any
) -> None:
    access_token = granted(as_amira, scope=SCOPES)["access_token"]
    with read() as names:
        assert caller(access_token).get(f"/api/v1/integrations/{path}").status_code in {200, 403}  # 403: not exported
        assert names
        assert_few(names)


@pytest.mark.parametrize("path", ["integrations/delta/", "integrations/delta/proxy/x"])
@pytest.mark.slow
def test_a_token_for_all_that_another_made_reads_the_integration_of_the_call(path: str, amira: User, read: Any) -> None:
    operator = cast.person("operator", is_staff=True, is_superuser=True)
    secret = make_token(amira, "integrations:read", "service:*", by=operator)[1]
    with read() as names:
        assert caller(secret).get(f"/api/v1/{path}").status_code in {200, 502}  # 502: nobody is at that address
        assert_few(names)


@pytest.mark.slow
def test_a_token_for_all_that_another_made_has_what_both_have(amira: User) -> None:
    operator = cast.person("operator", is_staff=True, is_superuser=True)
    token = make_token(amira, "integrations:read", "service:*", by=operator)[0]
    Alias.objects.get(name="copper").groups.add(Group.objects.create(name="nobody's"))
    both = operations.effective_scopes(token)
    assert "service:delta" in both
    assert "service:copper" not in both
    assert "service:*" not in both
    assert both & {"service:delta", "service:copper", "integrations:read"} == {"service:delta", "integrations:read"}
    assert len(both) == OTHERS + 2


@pytest.mark.slow
def test_a_scope_that_was_turned_off_is_not_a_right_and_not_lost(as_amira: Client, digest: Application) -> None:
    tokens = granted(as_amira, scope=SCOPES)
    Alias.objects.filter(name="copper").update(active=False)
    assert list(scopes.all_scopes(SCOPES.split())) == ["integrations:read", "service:delta"]
    renewed = refresh(tokens["refresh_token"]).json()
    assert renewed["scope"] == SCOPES
    assert caller(renewed["access_token"]).get("/api/v1/integrations/copper/proxy/x").status_code == 404


def test_the_page_of_grants_reads_what_was_granted(
    as_amira: Client, amira: User, digest: Application, read: Any
) -> None:
    granted(as_amira, scope=SCOPES)
    with read() as names:
        access = grants.load_grants(amira)
        assert_few(names)
    assert access.approved_scopes[0].scopes == [
        "See which integrations you have, and whether you are signed in",
        "Use Copper as you",
        "Use Delta as you",
    ]


def test_the_page_to_allow_a_device_reads_what_it_asks_for(as_amira: Client, amira: User, read: Any) -> None:
    fields = {"client_type": "public", "authorization_grant_type": DEVICE_CODE, "redirect_uris": ""}
    program(client_id="terminal", allowed_scopes="integrations:read service:*", **fields)
    with read() as names:
        asked = urlencode({"client_id": "terminal", "scope": SCOPES})
        begun = Client().post("/o/device/authorize/", asked, "application/x-www-form-urlencoded").json()
        page = proofs.just_shown(as_amira, amira).post("/o/device/", {"user_code": begun["user_code"]})
        assert "Delta" in page.content.decode()
        assert_few(names)


@pytest.mark.slow
def test_a_program_that_asks_for_all_is_offered_all(as_amira: Client, amira: User) -> None:
    program(allowed_scopes="integrations:read service:*")
    page = as_amira.get(programs.authorize_url(scope="integrations:read service:*")).content.decode()
    assert page.count("other_") >= OTHERS
    answer = {"allow": "true", "reach": "selected", "scopes": ["service:other_7", "service:nowhere"]}
    chosen = programs.answer_consent(as_amira, answer, scope="integrations:read service:*")  # type: ignore[arg-type]
    assert exchange(chosen["code"]).json()["scope"] == "integrations:read service:other_7"


@pytest.mark.slow
def test_metadata_and_the_description_of_the_api_name_no_integration(client: Client, read: Any) -> None:
    with read() as names:
        for path in ("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp"):
            assert "other_7" not in client.get(path).content.decode()
        assert "other_7" not in schema()
        assert names == []


def schema() -> str:
    reader = Client()
    reader.force_login(cast.person("reader"))
    return str(reader.get("/api/v1/schema/").content.decode())
