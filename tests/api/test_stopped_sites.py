"""A site that is stopped stores the uses that it has collected."""

from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.utils import timezone

from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from integrations.models import Alias, Token
from tests.accounts import tokens
from tests.servers.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("web_server", ["granian", "gunicorn"])
def test_a_site_that_is_stopped_loses_no_use(web_server: str, signed_in: Alias, amira: User, tmp_path: Path) -> None:
    _row, secret = tokens.make_token(amira, "tokens:read", "service:northwind", name="Weekly digest")
    before = timezone.now()
    Token.objects.update(last_used_at=before - timedelta(hours=1))
    PermanentToken.objects.update(last_used_at=before - timedelta(hours=1))
    with Site(web_server, tmp_path) as site:
        url, headers = f"{site.url}/api/v1/integrations/northwind/token/", {"Authorization": f"Bearer {secret}"}
        assert requests.get(url, headers=headers, timeout=20).status_code == 200
        assert not Token.objects.filter(last_used_at__gte=before).exists(), "collected"
        site.stop()
    assert Token.objects.get(last_used_at__gte=before).last_used_by == "REST (Weekly digest)"
    assert PermanentToken.objects.filter(last_used_at__gte=before).exists()
