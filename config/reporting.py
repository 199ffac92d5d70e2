"""What an error report may hold: where it happened and which names were there, never what they held.

Django hides what looks like a secret by its name. Here a code in an address, a token in a local variable or a password
in a form would be one, so nothing is shown that is not the code's own.
"""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

HIDDEN = "********************"
TELLING = "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|QUERY|REQUEST_URI|REFERER|BROKER|CACHE|DATABASE|EMAIL|ADMINS"


class NamesOnly(SafeExceptionReporterFilter):
    hidden_settings = re.compile(TELLING, re.IGNORECASE)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True  # a site in DEBUG has real people's tokens too

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(request.POST, HIDDEN) if request else {}

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(getattr(request, "COOKIES", {}), HIDDEN)

    def get_traceback_frame_variables(self, request: Any, tb_frame: FrameType) -> ItemsView[str, Any]:
        return dict.fromkeys(tb_frame.f_locals, HIDDEN).items()


class Reporter(ExceptionReporter):
    def get_traceback_data(self) -> dict[str, Any]:
        found: dict[str, Any] = super().get_traceback_data()
        if self.request is not None:
            found["request_GET_items"] = dict.fromkeys(self.request.GET, HIDDEN).items()
            found["request_insecure_uri"] = found["request_insecure_uri"].partition("?")[0]
            found["request"] = without_query(self.request)
        return found


def without_query(request: HttpRequest) -> HttpRequest:
    """For the page that DEBUG shows, which asks the request itself."""
    request.GET = QueryDict()
    return request
