"""django-allauth with requests-oauthlib: it keeps a SocialToken and leaves renewal to others, so OAuth2Session does it.

`auto_refresh_url` and `token_updater` are requests-oauthlib's documented way; the updater writes the SocialToken.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib.auth import get_user_model
from django.utils import timezone

from benchmarks import filling
from benchmarks.filling import ACCESS_TOKEN, REFRESH_TOKEN
from benchmarks.peers import sessions


def app_of(provider: str) -> Any:
    return SocialApp.objects.create(
        provider="openid_connect", provider_id=provider, name=provider, client_id="client", secret="secret"
    )


def account_of(user_id: int, provider: str) -> Any:
    return SocialAccount(user_id=user_id, provider=provider, uid=str(user_id))


def token_of(account: Any, app: Any, *, lives: timedelta, refresh_token: str = REFRESH_TOKEN) -> Any:
    expires_at = timezone.now() + lives
    return SocialToken(account=account, app=app, token=ACCESS_TOKEN, token_secret=refresh_token, expires_at=expires_at)


def prepare(refresh_token: str) -> None:
    account = account_of(get_user_model().objects.create_user("amira").pk, "northwind")
    account.save()
    token_of(account, app_of("northwind"), lives=-timedelta(hours=1), refresh_token=refresh_token).save()


def caller() -> Callable[[], str]:
    user = get_user_model().objects.get(username="amira")
    return lambda: call(user)


def call(user: Any) -> str:
    row = SocialToken.objects.select_related("app").get(account__user=user, account__provider="northwind")

    def save(token: dict[str, Any]) -> None:
        row.token, row.token_secret = token["access_token"], token["refresh_token"]
        row.expires_at = datetime.fromtimestamp(token["expires_at"], UTC)
        row.save()

    token = {"access_token": row.token, "refresh_token": row.token_secret, "expires_at": row.expires_at.timestamp()}
    return sessions.with_requests_oauthlib(token, save, row.app.client_id, row.app.secret)


def read(user: Any, provider: str) -> str:
    """What is stored, valid or not."""
    return str(SocialToken.objects.get(account__user=user, account__provider=provider).token)


def stored() -> str:
    return str(SocialToken.objects.get().token_secret)


def fill(people: list[int]) -> None:
    apps = {app.provider_id: app for app in (app_of(f"provider-{number}") for number in range(filling.PROVIDERS))}
    differing = (
        {"user_id": person, "provider": f"provider-{at}", "uid": str(person)}
        for person, at in filling.each_at_each(people)
    )
    filling.store_like(account_of(people[0], "provider-0"), differing)
    accounts = SocialAccount.objects.values_list("pk", "provider").iterator()
    of_each = ({"account_id": key, "app_id": apps[provider].pk} for key, provider in accounts)
    filling.store_like(token_of(None, None, lives=timedelta(days=1)), of_each)
