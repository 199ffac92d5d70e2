"""Add a provider: the catalogue of templates, and the three steps of a draft."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import reswap, retarget

from foundation.name_lists import isolate_name
from integrations.admin.draft_forms import SECRET, ShareForm
from integrations.admin.enter_form import EnterForm
from integrations.admin.templates import may_make
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.definitions import BadDefinition
from integrations.models.provider_drafts import ProviderDraft, Step
from integrations.models.registry import ApplicationRegistry
from integrations.models.template_texts import shown_description
from integrations.provider_setup import drafts, from_template
from integrations.provider_setup.from_template import Answers
from integrations.provider_setup.overview.listing import fold_text

View = Callable[..., HttpResponse]


def for_makers(view: View) -> View:
    """Decorator: an admin page for staff who may add everything that a provider consists of."""

    @wraps(view)
    def wrapper(request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        if not may_make(request):
            raise PermissionDenied
        return view(request, *arguments, **names)

    return admin.site.admin_view(never_cache(wrapper))


# The catalogue --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A template in the catalogue."""

    template: ConfigurationTemplate
    category: str
    is_verified: bool

    @property
    def description(self) -> str:
        return shown_description(str(self.template.definition.get("description", "")))

    @property
    def search_text(self) -> str:
        return fold_text(f"{self.template.name} {self.description} {from_template.CATEGORIES[self.category]}")


@for_makers
@require_http_methods(["GET", "HEAD", "POST"])
def show_catalogue(request: HttpRequest) -> HttpResponse:
    """Show the templates; a POST begins a draft from one."""
    if request.method == "POST":
        return begin_from_catalogue(request)
    words, chosen_category = request.GET.get("q", "").strip(), request.GET.get("category", "")
    verified = from_template.keys_with_answers()
    offers = [
        Offer(template=row, category=from_template.category_of(row), is_verified=row.key in verified)
        for row in ConfigurationTemplate.objects.order_by("name")
    ]
    matching = [offer for offer in offers if all(word in offer.search_text for word in fold_text(words).split())]
    counts = Counter(offer.category for offer in matching)
    category = chosen_category if counts[chosen_category] else ""  # what is only found elsewhere is shown nevertheless
    context = {
        "title": _("Add a provider"),
        "words": words,
        "category": category,
        "total": len(offers),
        "matching": len(matching),
        "categories": [(key, label, counts[key]) for key, label in from_template.CATEGORIES.items() if counts[key]],
        "offers": [each for each in matching if category in ("", each.category)],
        "drafts": ProviderDraft.objects.select_related("begun_by").order_by("-changed_at"),
    }
    return TemplateResponse(request, "administration/add_provider.html", context)


def begin_from_catalogue(request: HttpRequest) -> HttpResponse:
    try:
        template = get_object_or_404(ConfigurationTemplate, pk=UUID(request.POST.get("template", "")))
        draft = drafts.begin_from_template(template, request.user)  # type: ignore[arg-type]  # signed in
    except (ValueError, BadDefinition) as error:
        messages.error(request, str(error))
        return redirect("integrations:add_provider")
    return redirect(step_url(draft, Step.REGISTER))


# The steps ------------------------------------------------------------------------------------------------------------


def step_url(draft: ProviderDraft, step: int) -> str:
    return f"{reverse('integrations:provider_draft', args=[draft.hex])}?step={int(step)}"


def description_url(draft: ProviderDraft) -> str:
    """The form By hand of a draft that is not described yet."""
    return f"{reverse('integrations:by_hand')}?draft={draft.hex}"


@for_makers
@sensitive_post_parameters(SECRET)
@require_http_methods(["GET", "HEAD", "POST"])
def edit_draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show one step of a draft, the one reached so far if none is named; save it and go on."""
    draft = ProviderDraft.objects.select_related("begun_by").filter(pk=draft_id).first()
    if draft is None:
        return follow_finished(draft_id)
    if not draft.is_described:
        return redirect(description_url(draft))
    step = request.GET.get("step", "")
    if step not in STEPS or int(step) > draft.step:
        if request.method == "POST":  # of a page that was opened before something was entered anew
            messages.error(request, _("Something that was entered is no longer valid. Check it again."))
        # Also for a reader: the form is sent to the address of its page, which then names the step.
        return redirect(step_url(draft, draft.step))
    try:
        return STEPS[step](request, draft)
    except ProviderDraft.DoesNotExist:  # by a concurrent request, such as a second click
        return follow_finished(draft_id)


def follow_finished(draft_id: UUID) -> HttpResponse:
    """Lead to the trial of a draft that was finished. Raises `Http404` if it was discarded."""
    registry = get_object_or_404(ApplicationRegistry, pk=draft_id)
    return redirect("integrations:try_provider", registry.hex)


def register_step(request: HttpRequest, draft: ProviderDraft) -> HttpResponse:
    """Step 1: what to do at the provider."""
    if request.method == "POST":
        draft.keep(max(draft.step, Step.ENTER))  # type: ignore[arg-type]  # a step
        return redirect(step_url(draft, Step.ENTER))
    definition = draft.read
    answers = {question.name: question.default for question in definition.questions}
    context = {
        "definition": definition,
        "console_url": definition.console(answers),
        "scopes": [offered for offered in definition.scopes if offered.chosen or offered.required],
        "is_verified": draft.key in from_template.keys_with_answers(),
        "revokes": bool(definition.registry.get("token_revocation_url")),
    }
    return render_step(request, draft, Step.REGISTER, context)


@sensitive_variables("form")
def enter_step(request: HttpRequest, draft: ProviderDraft) -> HttpResponse:
    """Step 2: what the provider gave. Checked at the provider before the secret is stored."""
    form = EnterForm(draft, request.POST or None, request.FILES or None)
    if request.method == "POST":
        drafts.keep_entered(draft, form.entered())
        if response := only_saved(request, draft, Step.ENTER):
            return response
        if form.is_valid() and go_on(request, draft, form):
            return redirect(step_url(draft, Step.SHARE))
    return render_step(request, draft, Step.ENTER, {"form": form, "was_checked": bool(form.errors)})


def only_saved(request: HttpRequest, draft: ProviderDraft, step: Step) -> HttpResponse | None:
    """The response if the form was only to be saved: after a field, and by Back.

    It names what it replaces, so that the page to sign in, sent after the session has ended, replaces nothing.
    """
    if request.htmx:  # type: ignore[attr-defined]  # by its middleware
        part = TemplateResponse(request, "administration/_draft_saved.html", {"draft": draft, "step": step})
        return reswap(retarget(part, "#draft-saved"), "outerHTML")
    return redirect(step_url(draft, step - 1)) if "back" in request.POST else None


@sensitive_variables("form", "answers")
def go_on(request: HttpRequest, draft: ProviderDraft, form: EnterForm) -> bool:
    """Check what was entered, unless the administrator skips it. Tell whether the next step can begin."""
    answers = form.answers()
    findings = [] if "skip" in request.POST else drafts.check_answers(draft, answers)
    if any(finding.is_fault for finding in findings):
        form.show_faults(findings)
        return False
    drafts.store_checked(draft, answers, findings)
    return True


def share_step(request: HttpRequest, draft: ProviderDraft) -> HttpResponse:
    """Step 3: who may use it. Ends the draft."""
    form = ShareForm(draft, request.POST or None)
    if request.method == "POST":
        draft.keep(Step.SHARE, sharing=form.entered())
        if response := only_saved(request, draft, Step.SHARE):
            return response
        if (answers := stored_answers(draft)) is None:
            messages.error(request, _("Something that was entered is no longer valid. Check it again."))
            return redirect(step_url(draft, Step.ENTER))
        if form.is_valid() and (response := finish_steps(request, draft, form, answers)):
            return response
    texts = {name: str(form[name].value() or "") for name in ("alias", "label", "description")}
    context = {"form": form, "usual_alias": drafts.free_alias(draft.name), "card": drafts.preview_card(draft, **texts)}
    return render_step(request, draft, Step.SHARE, context)


@sensitive_variables("answers")
def finish_steps(
    request: HttpRequest, draft: ProviderDraft, form: ShareForm, answers: Answers
) -> HttpResponseRedirect | None:
    """Create all rows and lead to the trial; on a conflict add an error to the form."""
    trial_url = reverse("integrations:try_provider", args=[draft.hex])
    try:
        alias = drafts.finish_draft(
            draft,
            replace(answers, alias=form.cleaned_data["alias"]),
            request.user,  # type: ignore[arg-type]  # signed in
            label=form.cleaned_data["label"],
            description=form.cleaned_data["description"],
            groups=form.chosen_groups(),
        )
    except IntegrityError:  # taken by a concurrent request
        form.add_error(None, _("One of these names was taken a moment ago. Choose others."))
        return None
    admin.site.get_model_admin(type(alias)).log_addition(request, alias, [{"added": {}}])
    return HttpResponseRedirect(trial_url)


def stored_answers(draft: ProviderDraft) -> Answers | None:
    """Return the answers of step 2 as they were stored; None if they are not valid any more."""
    data = QueryDict(mutable=True)
    for name, value in draft.entered.get("fields", {}).items():
        data.setlist(name, value if isinstance(value, list) else [value or ""])
    form = EnterForm(draft, data)
    return form.answers() if form.is_valid() else None


def render_step(request: HttpRequest, draft: ProviderDraft, step: Step, context: dict[str, Any]) -> HttpResponse:
    names = {Step.REGISTER: "register", Step.ENTER: "enter", Step.SHARE: "share"}
    base = {
        "title": _("Add %(name)s") % {"name": draft.name},
        "draft": draft,
        "step": step,
        "steps": [(number, label, step_url(draft, number)) for number, label in Step.choices],
    }
    return TemplateResponse(request, f"administration/draft_{names[step]}.html", {**base, **context})


STEPS: dict[str, Callable[[HttpRequest, ProviderDraft], HttpResponse]] = {
    "1": register_step,
    "2": enter_step,
    "3": share_step,
}


@for_makers
@require_POST
def discard_draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    draft = get_object_or_404(ProviderDraft, pk=draft_id)
    draft.delete()
    messages.success(request, _("The draft of %(name)s was discarded.") % {"name": isolate_name(draft.name)})
    return redirect("integrations:add_provider")
