"""The start page of the administration: what is set up, and what needs an administrator. Read-only."""

from collections.abc import Iterator
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.oauth_server.models import Application
from foundation import installation, mail_outbox
from integrations.admin.templates import may_make
from integrations.connections import reminders, tasks
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.provider_setup import overview

PROBLEMS_AT_MOST, PROBLEMS_FIRST = 5, 3
COLUMNS = (  # to sort by, with the value of aria-sort: each has one order
    ("name", gettext_lazy("Provider"), "ascending"),
    ("state", gettext_lazy("State, worst first"), "other"),
    ("people", gettext_lazy("People"), "descending"),
    ("call", gettext_lazy("Last call"), "descending"),
)


@never_cache
@require_safe
def show_overview(request: HttpRequest) -> HttpResponse:
    """Show all providers. Staff who may not see registries get Django's lists, with what they may see."""
    if not admin.site.get_model_admin(ApplicationRegistry).has_view_permission(request):
        return HttpResponseRedirect(reverse("integrations:all_records"))
    shows_aliases = admin.site.get_model_admin(Alias).has_view_permission(request)
    providers = overview.read_providers(shows_aliases=shows_aliases)
    shows_programs = admin.site.get_model_admin(Application).has_view_permission(request)
    problems = overview.find_problems(providers, overview.read_programs() if shows_programs else None)
    is_cut = len(problems) > PROBLEMS_AT_MOST and "problems" not in request.GET
    listing = overview.list_providers(
        providers,
        words=request.GET.get("q", ""),
        group=request.GET.get("state", ""),
        sort=request.GET.get("sort", ""),
        page=request.GET.get("page", ""),
    )
    context = {
        "title": _("Providers"),
        "health": overview.read_health(),
        "problems": problems[:PROBLEMS_FIRST] if is_cut else problems,
        "problem_count": len(problems),
        "is_cut": is_cut,
        "listing": listing,
        "columns": COLUMNS,
        "shows_aliases": shows_aliases,
        "may_add": may_make(request),
        "may_change": request.user.has_perm("integrations.change_applicationregistry"),
    }
    return TemplateResponse(request, "administration/providers.html", context)


@require_POST
def remind_people(request: HttpRequest, registry_id: UUID) -> HttpResponse:
    """Mail the people who must sign in again or confirm an address, and tell how many get a mail."""
    if not request.user.has_perm("integrations.change_applicationregistry"):
        raise PermissionDenied
    registry = get_object_or_404(ApplicationRegistry, pk=registry_id)
    provider = overview.read_provider(registry)
    if not mail_outbox.has_mail_server():
        messages.error(request, _("No mail server is set up, so nobody can be mailed."))
    elif not installation.sends_mails():
        messages.error(request, installation.current_state().hold)
    elif not provider.can_remind:
        messages.error(request, _("There is nobody to remind, or what they would be asked to do doesn’t work now."))
    else:
        count = reminders.remind_people(registry)
        tasks.send_notices_soon()
        report = messages.success if count.mailed else messages.warning
        report(request, " ".join(outcome_of(count)))
    return redirect("integrations:providers")


def outcome_of(count: reminders.ReminderCount) -> Iterator[str]:
    """Say who gets a mail, and why the others don't."""
    if count.mailed:
        text = ngettext("%(count)d person gets an email.", "%(count)d people get an email.", count.mailed)
        yield text % {"count": count.mailed}
    if count.others:
        text = ngettext(
            "%(count)d person gets none: without an email address, no longer allowed to use it, or mailed about it in "
            "the last seven days.",
            "%(count)d people get none: without an email address, no longer allowed to use it, or mailed about it in "
            "the last seven days.",
            count.others,
        )
        yield text % {"count": count.others}


@require_safe
def show_all_records(request: HttpRequest) -> HttpResponse:
    """Show Django's index of all models."""
    return admin.site.index(request, {"title": _("All records")})


page = admin.site.admin_view(show_overview)
remind = admin.site.admin_view(remind_people)
all_records_page = admin.site.admin_view(show_all_records)
