"""Error reports without values: the traceback and the names of variables, never what they held.

Django hides what looks like a secret by its name. Here, any value may be one (a code in a query, a token in a local
variable), so reports show none.
"""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

HIDDEN = "********************"
SENSITIVE_SETTINGS = (
    "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|QUERY|REQUEST_URI|REFERER|BROKER|CACHE|DATABASE|EMAIL|ADMINS"
)


class NamesOnly(SafeExceptionReporterFilter):
    hidden_settings = re.compile(SENSITIVE_SETTINGS, re.IGNORECASE)

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
        data: dict[str, Any] = super().get_traceback_data()
        if self.request is not None:
            data["request_GET_items"] = dict.fromkeys(self.request.GET, HIDDEN).items()
            data["request_insecure_uri"] = data["request_insecure_uri"].partition("?")[0]
            self.request.GET = QueryDict()  # the DEBUG page reads the query itself
            data["request"] = self.request
        return data
