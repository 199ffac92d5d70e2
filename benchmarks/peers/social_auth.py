"""social-auth-app-django: `social.get_access_token(strategy)`, as its documentation of the storage says."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from social_django.models import UserSocialAuth
from social_django.utils import load_strategy

from benchmarks import filling
from benchmarks.filling import ACCESS_TOKEN, REFRESH_TOKEN

LIFETIME = 86_400


def social_of(user_id: int, provider: str, *, began: float, refresh_token: str = REFRESH_TOKEN) -> Any:
    response = {"access_token": ACCESS_TOKEN, "refresh_token": refresh_token, "expires_in": LIFETIME}
    extra_data = {**response, "auth_time": int(began)}
    return UserSocialAuth(user_id=user_id, provider=provider, uid=f"{user_id}-{provider}", extra_data=extra_data)


def prepare(refresh_token: str) -> None:
    user = get_user_model().objects.create_user("amira")
    social_of(user.pk, "northwind", began=time.time() - 2 * LIFETIME, refresh_token=refresh_token).save()


def caller() -> Callable[[], str]:
    user = get_user_model().objects.get(username="amira")
    return lambda: read(user, "northwind")


def read(user: Any, provider: str) -> str:
    access_token: str = user.social_auth.get(provider=provider).get_access_token(load_strategy())
    return access_token


def stored() -> str:
    return str(UserSocialAuth.objects.get().extra_data["refresh_token"])


def fill(people: list[int]) -> None:
    differing = (
        {"user_id": person, "provider": f"provider-{at}", "uid": f"{person}-{at}"}
        for person, at in filling.each_at_each(people)
    )
    filling.store_like(social_of(people[0], "provider-0", began=time.time()), differing)
