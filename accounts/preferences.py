"""Language and time zone of the person who reads: from their profile, else from the browser, else the site's.

A link with `?language=ja` chooses the language of this browser, for readers who have none in their profile: mails have
such links, and so do the pages to sign in.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from accounts.models import User
from foundation import reader_time
from foundation.reader_time import LANGUAGE_PARAMETER

ZONE_COOKIE = "keyrack-time-zone"  # set by time-zone.js; holds the name of a time zone
# Answers to programs: no times in words, and English whatever the caller accepts.
FOR_PROGRAMS = (
    "/api/",
    "/mcp",
    "/o/token/",
    "/o/device/authorize/",
    "/o/register/",
    "/o/revoke_token/",
    "/o/introspect/",
    "/.well-known/",
    "/healthz",
    "/readyz",
    "/metrics",
)
ENGLISH_PAGES = ("/api/v1/docs/",)  # for people, but about addresses and members that are English


def apply_preferences(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: pages are in the language and time zone of their reader."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(FOR_PROGRAMS) and not request.path.startswith(ENGLISH_PAGES):
            with translation.override("en"):
                return get_response(request)
        person = request.user if isinstance(request.user, User) else None
        from_link = chosen_by_link(request)
        language = language_of(person) or from_link or translation.get_language_from_request(request)
        with reader_time.as_read_by(time_zone=zone_of(person, request.COOKIES.get(ZONE_COOKIE, "")), language=language):
            response = get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language())
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        if from_link:
            remember_language(response, from_link)
        return response

    return middleware


def chosen_by_link(request: HttpRequest) -> str:
    """The language that the address asks for, if the site has it, else ""."""
    language = request.GET.get(LANGUAGE_PARAMETER, "") if request.method == "GET" else ""
    return language if language in dict(settings.LANGUAGES) else ""


def remember_language(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=timedelta(days=365),
        secure=settings.SITE_IS_SECURE,
        httponly=True,
        samesite="Lax",
    )


def with_preferences(person: User) -> AbstractContextManager[None]:
    """Tell times and texts as this person reads them, outside of their own requests."""
    return reader_time.as_read_by(**mail_options(person))


def mail_options(person: User) -> dict[str, str]:
    """How the outbox writes a mail to this person. A bot's only owner reads the mails about it."""
    owners = list(person.owners.all()[:2]) if person.is_bot else []
    reader = owners[0] if len(owners) == 1 else person
    return {"time_zone": reader.time_zone, "language": language_of(reader) or settings.LANGUAGE_CODE}


def language_of(person: User | None) -> str:
    """The language that the person chose, if the site has it; "" if none."""
    return person.language if person and person.language in dict(settings.LANGUAGES) else ""


def zone_of(person: User | None, browser_zone: str) -> str:
    return (person.time_zone if person else "") or browser_zone
