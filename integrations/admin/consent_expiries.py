"""The page Sign-ins that end, for staff who may view tokens: ends of the next 31 days, provider by provider."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, Exists, F, Max, Min, OuterRef, Q, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from integrations.models import admission
from integrations.models.card.token_details import SHORTEST_CONSENT
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import RefreshExpiry, Token, TokenState

AHEAD = timedelta(days=31)
NAMED = (RefreshExpiry.KNOWN, RefreshExpiry.ENTERED)  # ends that a renewal does not move


@require_safe
def show_expiries(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    if not admin.site.get_model_admin(Token).has_view_permission(request):
        raise PermissionDenied
    now = timezone.now()
    may_open = admin.site.get_model_admin(ApplicationRegistry).has_view_permission(request)
    context = {"title": _("Sign-ins that end"), "rows": ends_by_provider(now), "may_open": may_open}
    return TemplateResponse(request, "administration/consent_expiries.html", context)


page = admin.site.admin_view(show_expiries)


def ends_by_provider(now: datetime) -> list[dict[str, Any]]:
    """For each registry: how many people have to sign in again within 31 days, the first and the last day.

    One statement. Counts what the people's own consent calendars show: ends by the provider's figures, of integrations
    that they may use.
    """
    renewable = Q(refresh_token__isnull=False, failure_code="")
    ends_at = Case(When(renewable & Q(refresh_expiry__in=NAMED), then=F("refresh_expires_at")),
                   When(~renewable, then=F("expires_at")))  # fmt: skip
    tokens = Token.objects.filter(user__is_active=True, state=TokenState.VALID).annotate(
        ends_at=ends_at, granted=Coalesce("refreshed_at", "signed_in_at")
    )
    ending = tokens.filter(ends_at__gt=now, ends_at__lte=now + AHEAD, ends_at__gte=F("granted") + SHORTEST_CONSENT)
    usable = admission.filter_admitted(OuterRef("user_id")).filter(effective_id=OuterRef("credential_id"))  # type: ignore[misc]  # annotated
    by_registry = ending.filter(Exists(usable)).values(
        "credential__profile__registry", name=F("credential__profile__registry__name")
    )
    counts = by_registry.annotate(people=Count("user", distinct=True), first=Min("ends_at"), last=Max("ends_at"))
    return [dict(row) for row in counts.order_by("first", "name")]
