"""A request has one name: in the answer, in each line of the log, and in the task that it starts."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject
from django.utils.log import log_response
from pytest_django import Settings

from accounts.models import User
from config.log_lines import JsonLines, TextLines
from config.logging_settings import LOGGING, RefusalsInOneLine
from config.reporting import MailToAdmins
from config.request_ids import identify_and_measure
from foundation.request_ids import HEADER
from integrations.monitoring.task_signals import REQUEST_ID, stamp_message
from tests.conftest import client_of

pytestmark = pytest.mark.django_db
PRESENTED = "7f3b-1.of:proxy_A"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """The log as JSON, by the formatter and filters of the settings."""
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines())
    handlers: Any = LOGGING["handlers"]
    assert handlers["console"]["filters"][0] == "refused"
    handler.addFilter(RefusalsInOneLine())
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def lines_of(log: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("presented", "is_kept"),
    [(PRESENTED, True), ("", False), ("a b", False), ("x" * 65, False), ('"};', False), ("é", False), ("-a", False)],
)
def test_the_callers_id_is_kept_if_it_is_one(client: Client, presented: str, is_kept: bool) -> None:
    name = client.get("/readyz", headers={HEADER: presented}).headers[HEADER]
    assert (name == presented) is is_kept
    assert len(name) == (len(presented) if is_kept else 32)


@pytest.mark.parametrize("path", ["/admin/integrations/alias/", "/nowhere/", "/api/v1/nowhere/"])
def test_a_refused_visit_is_one_line(path: str, amira: User, log: StringIO) -> None:
    amira.is_staff = True
    amira.save()
    amira.user_permissions.add(Permission.objects.get(codename="view_remotetable"))
    answer = client_of(amira).get(path, headers={HEADER: PRESENTED})
    assert answer.status_code in {403, 404}
    [line] = lines_of(log)
    assert (line["request_id"], line["status"], line["level"]) == (PRESENTED, answer.status_code, "WARNING")
    assert path in str(line["message"])
    assert "exception" not in line


def test_an_unknown_host_is_one_line(client: Client, log: StringIO) -> None:
    assert client.get("/admin/", headers={"Host": "evil.example", HEADER: PRESENTED}).status_code == 400
    [line] = [each for each in lines_of(log) if each["logger"] != "django.request"]
    assert line["level"] == "WARNING"
    assert "exception" not in line


def test_a_fault_of_ours_keeps_its_traceback_on_the_one_line(log: StringIO) -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("django.request").exception(
            "two\nlines", extra={"status_code": 500, "request": RequestFactory().get("/?code=CANARY")}
        )
    [line] = lines_of(log)
    assert "RuntimeError: broken" in str(line["exception"])
    assert (line["message"], line["status"]) == ("two\nlines", 500)
    assert "CANARY" not in log.getvalue()


def test_a_task_carries_the_id_of_the_request_that_sent_it() -> None:
    headers: dict[str, object] = {}

    def view(_request: object) -> HttpResponse:
        stamp_message(headers=headers)
        return HttpResponse()

    identify_and_measure(view)(RequestFactory().get("/", headers={HEADER: PRESENTED}))
    assert headers[REQUEST_ID] == PRESENTED


def test_a_third_partys_own_id_stays_beside_ours() -> None:
    answer = identify_and_measure(lambda _request: HttpResponse(headers={HEADER: "theirs"}))(
        RequestFactory().get("/", headers={HEADER: PRESENTED})
    )
    assert (answer.headers[HEADER], answer.headers["Keyrack-Request-ID"]) == ("theirs", PRESENTED)


SECRET_PATHS = ("/integrations/connect/CANARY-1/", "/integrations/calendar/CANARY-2.ics")


@pytest.mark.parametrize("path", SECRET_PATHS)
def test_no_line_and_no_mail_has_the_secret_of_an_address(
    path: str, client: Client, log: StringIO, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    text = StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(TextLines())
    logging.getLogger().addHandler(handler)
    mail_handlers = [each for each in logging.getLogger("django").handlers if isinstance(each, MailToAdmins)]
    settings.ADMINS = [("Administrator", "administrator@hub.example")]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    try:
        assert client.post(path).status_code == 405
        request = RequestFactory().get(path)
        log_response("%s: %s", "Internal Server Error", path, response=HttpResponse(status=500), request=request)
    finally:
        logging.getLogger().removeHandler(handler)
    masked = path[: path.index("CANARY")] + "***"
    assert masked in log.getvalue()
    assert text.getvalue().count(masked) == 2
    assert len(mail_handlers) == len(mailoutbox) == 1
    written = [log.getvalue(), text.getvalue(), mailoutbox[0].subject, mailoutbox[0].body]
    assert not [each for each in written if "CANARY" in each]


def test_a_report_of_an_error_does_not_ask_who_is_signed_in(
    amira: User, mailoutbox: list[EmailMessage], settings: Settings
) -> None:
    """The database may be what failed, and each question to it would wait."""
    settings.ADMINS = [("Administrator", "administrator@hub.example")]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    request = RequestFactory().get("/integrations/")
    request.user = SimpleLazyObject(lambda: pytest.fail("asked"))  # type: ignore[assignment]
    log_response(
        "%s: %s", "Internal Server Error", "/integrations/", response=HttpResponse(status=500), request=request
    )
    assert len(mailoutbox) == 1
    assert "USER:" not in mailoutbox[0].body
    assert "user" in vars(request), "the page of the error may show it"
