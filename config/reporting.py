"""Error reports without values: the traceback and the names of variables, never what they held.

Django hides what looks like a secret by its name. Here, any value may be one (a code in a query, a token in a local
variable), so reports show none.
"""

import logging
import re
from collections.abc import ItemsView, Iterator
from contextlib import contextmanager
from logging import LogRecord
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, QueryDict
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from config.log_lines import mask_secret_paths

logger = logging.getLogger(__name__)

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
    """Writes a report without asking the database, which may be what failed: Django's own asks who is signed in."""

    def get_traceback_data(self) -> dict[str, Any]:
        with without_user(self.request):
            data: dict[str, Any] = super().get_traceback_data()
        data["user_str"] = None
        if self.request is not None:
            data["request_GET_items"] = dict.fromkeys(self.request.GET, HIDDEN).items()
            data["request_insecure_uri"] = data["request_insecure_uri"].partition("?")[0]
            self.request.GET = QueryDict()  # the DEBUG page reads the query itself
            data["request"] = self.request
        return data


@contextmanager
def without_user(request: HttpRequest | None) -> Iterator[None]:
    """Take `request.user` away for a while. It is loaded when it is first used."""
    attributes = vars(request) if request else {}
    taken = {"user": attributes.pop("user")} if "user" in attributes else {}
    try:
        yield
    finally:
        attributes.update(taken)


class MailToAdmins(AdminEmailHandler):
    """Mails of errors to administrators, without secrets in paths."""

    def emit(self, record: LogRecord) -> None:
        if settings.ADMINS:  # Django looks only if `send_mail` is its own
            try:
                super().emit(record)
            except DatabaseError as error:  # which says whether the site is held
                logger.warning("An error was not mailed to administrators (%s).", type(error).__name__)

    def send_mail(self, subject: Any, message: Any, *arguments: Any, **options: Any) -> None:
        options["html_message"] = mask_secret_paths(options.get("html_message") or "") or None
        super().send_mail(mask_secret_paths(subject), mask_secret_paths(message), *arguments, **options)
