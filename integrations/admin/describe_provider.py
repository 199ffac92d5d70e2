"""Add a provider that no template knows: Any server, by its metadata, and By hand. Both end in step 1 of a draft."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import replace_url, reswap, retarget

from integrations.admin.add_provider import description_url, follow_finished, for_makers, step_url
from integrations.admin.draft_forms import HandForm, typed_values
from integrations.admin.metadata_filling import copy_metadata, describe_shortcomings, name_of_server, read_metadata
from integrations.models.provider_drafts import ProviderDraft, Step
from integrations.models.registry import ApplicationRegistry
from integrations.provider_setup import drafts


@for_makers
@require_http_methods(["GET", "HEAD", "POST"])
def any_server(request: HttpRequest) -> HttpResponse:
    """Read a server's metadata, begin a draft with it, and lead to its form. The address alone is a draft, too."""
    address, error = request.POST.get("address", "").strip(), ""
    if "by_hand" in request.POST:
        draft = drafts.begin_description({"issuer": address}, request.user) if address else None  # type: ignore[arg-type]  # signed in
        return redirect(description_url(draft) if draft else "integrations:by_hand")
    if request.method == "POST" and not address:
        error = _("Enter the address of the server.")
    elif request.method == "POST":
        try:
            published = read_metadata(address)
        except ValidationError as failure:
            error = str(failure.message)
        else:
            values = QueryDict(mutable=True)
            copy_metadata(values, published)
            values["name"] = name_of_server(published.issuer)
            fields = {name: values[name] for name in HandForm.base_fields if name in values}
            draft = drafts.begin_description(fields, request.user, read_from=published.issuer)  # type: ignore[arg-type]  # signed in
            for sentence in describe_shortcomings(published):
                messages.warning(request, sentence)
            return redirect(description_url(draft))
    context = {"title": _("Any server"), "address": address, "error": error}
    return TemplateResponse(request, "administration/any_server.html", context)


@for_makers
@require_http_methods(["GET", "HEAD", "POST"])
def by_hand(request: HttpRequest) -> HttpResponse:
    """Show the form of what a template would say. Each POST saves it; a valid one goes on to step 1.

    The draft begins with the first thing that is typed. One that was discarded meanwhile begins again.
    """
    draft_id = requested_id(request)
    stored = ProviderDraft.objects.select_related("begun_by").filter(pk=draft_id).first() if draft_id else None
    draft = stored or ProviderDraft()
    if draft_id and stored is None:
        if request.method != "POST" or ApplicationRegistry.objects.filter(pk=draft_id).exists():
            return follow_finished(draft_id)
        draft = ProviderDraft(pk=draft_id)
    if draft.is_described:
        return redirect(step_url(draft, draft.step))
    form = HandForm(request.POST or None, initial=draft.entered.get(drafts.DESCRIPTION))
    if request.method == "POST":
        if stored or form.has_changed():
            draft = drafts.save_description(draft, typed_values(form), request.user)  # type: ignore[arg-type]  # signed in
        if response := answer_saving(request, draft):
            return response
        if form.is_valid():
            drafts.complete_description(draft, form.cleaned_data["name"], form.definition())
            return redirect(step_url(draft, Step.REGISTER))
    read_from = draft.entered.get(drafts.READ_FROM, "")
    title = _("Any server") if read_from else _("By hand")
    context = {"title": title, "form": form, "draft": draft, "read_from": read_from}
    return TemplateResponse(request, "administration/by_hand.html", context)


def requested_id(request: HttpRequest) -> UUID | None:
    """The id of the draft that the form or the address names. A new form has one, too, before anything is saved."""
    try:
        return UUID(request.POST.get("draft") or request.GET.get("draft", ""))
    except ValueError:
        return None


def answer_saving(request: HttpRequest, draft: ProviderDraft) -> HttpResponse | None:
    """The response if the form was only to be saved: after a field, and by Back.

    The address of the page names the draft from then on, so that it can be loaded again.
    """
    if request.htmx:  # type: ignore[attr-defined]  # by its middleware
        part = TemplateResponse(request, "administration/_hand_draft.html", {"draft": draft})
        return replace_url(reswap(retarget(part, "#hand-draft"), "outerHTML"), description_url(draft))
    return redirect("integrations:add_provider") if "back" in request.POST else None
