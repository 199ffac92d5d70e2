"""Consent calendar: when a person will have to sign in again, as a page and as a private iCalendar feed (RFC 5545)."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from icalendar import Alarm, Calendar, Event

from accounts.models import User
from accounts.preferences import with_preferences
from accounts.sign_in.two_step_requirement import with_secret_address
from integrations.models import admission
from integrations.models.calendar_feeds import CalendarFeed, find_feed, replace_feed
from integrations.models.card import Integration, integrations_of
from integrations.models.tokens import Token
from integrations.views.permissions import Request, for_people

REMIND_BEFORE = timedelta(days=3)
READ_AGAIN_EVERY = timedelta(hours=6)


@require_http_methods(["GET", "POST"])
@for_people
@sensitive_variables("secret")
def consent_calendar(request: Request) -> HttpResponse:
    """Show the dates. POST makes an address for calendar programs, and shows it this once."""
    secret = replace_feed(request.user) if request.method == "POST" else ""
    path = reverse("integrations:calendar_feed", args=[secret]) if secret else ""
    context = {
        "ending": ending_consents(request.user),
        "feed": CalendarFeed.objects.filter(user=request.user).first(),
        "address": f"{settings.SITE_URL}{path}" if path else "",
    }
    return render(request, "integrations/consent_calendar.html", context)


@require_POST
@for_people
def revoke_feed(request: Request) -> HttpResponse:
    CalendarFeed.objects.filter(user=request.user).delete()
    messages.success(request, _("The calendar address no longer works."))
    return redirect("integrations:consent_calendar")


@with_secret_address
@require_safe
@cache_control(private=True, max_age=900)
@sensitive_variables("secret")
def calendar_feed(request: HttpRequest, secret: str) -> HttpResponse:
    """Serve the calendar to whoever has its address, while its owner may use integrations."""
    feed = find_feed(secret)
    if feed is None or admission.find_refusal(feed.user):
        response = HttpResponseNotFound("There is no such calendar.", content_type="text/plain; charset=utf-8")
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django would log the path, which is secret
        return response
    with with_preferences(feed.user):
        content = compose_calendar(feed.user).to_ical()
    headers = {"Content-Disposition": 'inline; filename="keyrack.ics"', "X-Robots-Tag": "noindex"}
    return HttpResponse(content, content_type="text/calendar; charset=utf-8", headers=headers)


def ending_consents(user: User) -> list[Integration]:
    """Integrations whose sign-in ends on a known day ahead, the first end first."""
    now = timezone.now()
    rows = [row for row in integrations_of(user) if row.is_on and row.consent_ends_at and row.consent_ends_at > now]
    return sorted(rows, key=lambda row: (row.consent_ends_at or now, row.title))


def compose_calendar(user: User) -> Calendar:
    """One all-day event for each sign-in, on the day in the person's time zone."""
    calendar = Calendar()
    calendar.add("prodid", "-//Keyrack//Consent calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", _("Keyrack: sign in again"))
    calendar.add("refresh-interval", READ_AGAIN_EVERY, parameters={"VALUE": "DURATION"})
    for integration in ending_consents(user):
        if integration.token and integration.consent_ends_at:
            calendar.add_component(event_of(integration, integration.token, integration.consent_ends_at))
    return calendar


def event_of(integration: Integration, token: Token, ends_at: datetime) -> Event:
    """The event. Its UID names alias and site, so that a renewal moves the event instead of adding one."""
    names = {"name": integration.title}
    url = f"{settings.SITE_URL}{reverse('integrations:detail', args=[integration.alias.hex])}"
    event, day = Event(), timezone.localtime(ends_at).date()
    uid = uuid5(NAMESPACE_URL, f"{url}#{token.hex}")
    event.add("uid", f"{uid}@{urlsplit(settings.SITE_URL).hostname}")
    event.add("dtstamp", token.granted_at)
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", _("Sign in to %(name)s again") % names)
    event.add("description", _("By the figures of %(name)s, your sign-in ends about this day.") % names)
    event.add("url", url)
    event.add("transp", "TRANSPARENT")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", _("Sign in to %(name)s again") % names)
    alarm.add("trigger", -REMIND_BEFORE)
    event.add_component(alarm)
    return event
