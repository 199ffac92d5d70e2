"""The page Explain access, for administrators who may view users and aliases. Read-only."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from integrations.models.tokens import Token
from integrations.provider_setup import explain_access
from integrations.provider_setup.explain_access import Place


@require_safe
def explain(request: HttpRequest) -> HttpResponse:
    """Show the page. The query names user and integration."""
    if not explain_access.may_explain(request.user):  # type: ignore[arg-type]  # admin_view admits users only
        raise PermissionDenied
    if request.htmx:  # type: ignore[attr-defined]  # by its middleware
        return show_options(request)
    people = explain_access.find_people(request.GET.get("person", ""))
    aliases = explain_access.find_aliases(request.GET.get("integration", ""))
    context = {"title": _("Explain access"), "people": people, "aliases": aliases}
    if people.only and aliases.only:
        shows_account = may_view(request, Token)
        explanation = explain_access.explain(people.only, aliases.only, shows_account=shows_account)
        context |= {"explanation": explanation, "places": places_of(request, explanation.places)}
        if explanation.may_use:
            programs = explain_access.programs_of(people.only, aliases.only)
            context["programs"] = [place for place, may_open in places_of(request, programs) if may_open]
    return TemplateResponse(request, "administration/explain_access.html", context)


def show_options(request: HttpRequest) -> HttpResponse:
    """The options of the field that is being typed into."""
    context = {
        "people": explain_access.suggest_people(request.GET.get("person", "")),
        "aliases": explain_access.suggest_aliases(request.GET.get("integration", "")),
    }
    return TemplateResponse(request, "administration/_explain_options.html", context)


page = admin.site.admin_view(explain)


def may_view(request: HttpRequest, model: type[Any]) -> bool:
    return admin.site.get_model_admin(model).has_view_permission(request)


def places_of(request: HttpRequest, places: Iterable[Place]) -> list[tuple[Place, bool]]:
    """Return each place, and whether this administrator may open it."""
    return [(place, may_view(request, type(place.row))) for place in places]
