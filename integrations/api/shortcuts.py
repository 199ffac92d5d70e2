"""A way past sessions, messages and the framework, for programs that show a token of ours.

Stands in the middleware behind Django's SecurityMiddleware. What it cannot answer goes on to the view, through all the
rest; nothing has happened then, and no body has been read.
"""

import re
from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from rest_framework.views import APIView

from integrations.api import proxy, quick, views

Call = tuple[type[APIView], Callable[..., HttpResponseBase | None]]
CALLS: dict[str, Call] = {"token": (views.Token, quick.token), "token-valid": (views.TokenValid, quick.token_valid)}
PROXY: Call = (proxy.Proxy, proxy.quickly)


def for_programs(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    def answer(request: HttpRequest) -> HttpResponseBase:
        return quickly(request) or get_response(request)

    return answer


def quickly(request: HttpRequest) -> HttpResponseBase | None:
    if "HTTP_AUTHORIZATION" not in request.META:
        return None
    found = addresses().fullmatch(request.path_info)
    if found is None:
        return None
    request.get_host()  # refuses other names than the site's, as the middleware behind would
    told = {name: value for name, value in found.groupdict().items() if value is not None}
    view, answer = CALLS[told.pop("call")] if "call" in told else PROXY
    return answer(request, view(), **told)


@cache
def addresses() -> re.Pattern[str]:
    """Those of the URL configuration, in one expression."""
    before = re.escape(reverse("api:token", args=["ALIAS"]).removesuffix("ALIAS/token/"))
    return re.compile(rf"{before}(?P<alias>[^/\x00]+)/(?:(?P<call>token|token-valid)/|proxy/(?P<path>[\s\S]*))")
