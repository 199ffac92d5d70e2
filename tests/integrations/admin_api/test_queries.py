"""Query parameters of the administration API: none is ignored, and no dry run is taken for a change."""

import pytest

from accounts.models import User
from integrations.models.registry import Alias
from tests import cast
from tests.integrations.admin_api.conftest import Script

pytestmark = pytest.mark.django_db
PROVIDER = "https://provider.example"


@pytest.mark.parametrize(
    "query", ["dry_run", "dry_run=", "dryrun=true", "dry-run=true", "Dry_Run=true", "dry_run=true&dry_run=false"]
)
@pytest.mark.slow
def test_a_dry_run_that_is_not_understood_changes_nothing(script: Script, amira: User, query: str) -> None:
    refused = [
        script.send("put", f"users/amira/?{query}", {"first_name": "Changed"}),
        script.send("post", f"users/?{query}", {"username": "new"}),
        script.send("delete", f"users/amira/?{query}"),
        script.send("put", f"staff/?{query}", {"requires_two_steps": True}),
        script.send("post", f"users/me/permanenttokens/?{query}", {"name": "new", "scope": ["administration"]}),
        script.send("delete", f"users/me/permanenttokens/nightly-report/?{query}"),
    ]
    assert {answer.status_code for answer in refused} == {400}
    assert {answer.json()["error"] for answer in refused} == {"invalid_request"}
    assert query.partition("=")[0] in refused[0].json()["error_description"]
    assert script.document("users/amira/")["first_name"] == "Amira"
    assert script.send("get", "users/new/").status_code == 404


def test_a_list_refuses_a_filter_that_it_does_not_have(script: Script) -> None:
    assert script.send("get", "users/?user=amira").status_code == 400
    answer = script.send("get", "oauth-tokens/?usr=amira")
    assert answer.json()["error_description"] == "usr: Not known here. There are: page, page_size, user, credential."


def test_me_is_the_caller_in_a_filter_too(script: Script, admin: User, amira: User) -> None:
    alias: Alias = cast.integration_at(cast.registry_at(PROVIDER), connection_url=f"{PROVIDER}/api")
    own = cast.signed_in(admin, alias)
    cast.signed_in(amira, alias)
    assert [row["id"] for row in script.document("oauth-tokens/?user=me")] == [own.hex]


def test_a_warning_of_a_form_that_is_saved_in_two_steps_is_given_once(script: Script) -> None:
    body = {
        "client_id": "keyrack",
        "client_secret": "a secret",
        "authorization_url": f"{PROVIDER}/authorize",
        "token_url": f"{PROVIDER}/token",
        "client_secret_expires_on": "2020-01-01",
    }
    warnings = script.applied("registries/Expired/", body)["warnings"]
    assert warnings
    assert len(warnings) == len(set(warnings))
