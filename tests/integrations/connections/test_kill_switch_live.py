"""The kill switch, killed itself while it works on a real database: nothing by halves, nothing twice."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import User
from integrations.models import Alias, Event, Revocation, Token
from integrations.models.tokens import consent
from tests import cast, walks
from tests.foundation.rotating import OLD, ROOT, environment

pytestmark = [pytest.mark.database, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PEOPLE = 500
COMMAND = [sys.executable, "-m", "django", "revoke_tokens", "--registry", "Northwind", "--yes"]


@pytest.fixture
def northwind(settings: Settings) -> Alias:
    """So many people are signed in, and more than one step takes."""
    settings.TOKEN_ENCRYPTION_KEYS = [OLD]
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    User.objects.bulk_create(User(username=f"person-{number}", password="!") for number in range(PEOPLE))
    credential = walks.credential_of(alias)
    agreed = consent.current_agreement(credential, None)
    Token.objects.bulk_create(
        Token(user=user, credential=credential, integration_type="personal", access_token=user.username, agreed=agreed)
        for user in User.objects.all()
    )
    return alias


def test_killed_half_way_the_next_run_goes_on_with_the_rest(northwind: Alias, tmp_path: Path) -> None:
    child = subprocess.Popen(COMMAND, cwd=ROOT, env=environment(tmp_path, [OLD]), stdout=subprocess.DEVNULL)
    try:
        while Token.objects.count() == PEOPLE:
            assert child.poll() is None
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    left = Token.objects.count()
    assert 0 < left < PEOPLE
    assert Revocation.objects.count() == PEOPLE - left

    again = subprocess.run(
        COMMAND, cwd=ROOT, env=environment(tmp_path, [OLD]), capture_output=True, text=True, check=True
    )
    assert f"{left} sign-ins ended" in again.stdout
    assert not Token.objects.exists()
    names = sorted(f"person-{number}" for number in range(PEOPLE))
    assert sorted(revocation.access_token for revocation in Revocation.objects.all()) == names
    assert sorted(Event.objects.filter(kind="revoked").values_list("whose_name", flat=True)) == names
    moments = set(Revocation.objects.values_list("next_attempt_at", flat=True))
    assert len(moments) == PEOPLE
