"""The page where an administrator tries a new provider: sign-in, one real call, and what to correct if it fails."""

import time
from copy import copy
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.models import User
from foundation.name_lists import isolate_name
from integrations import registration_health
from integrations.admin.add_provider import for_makers
from integrations.admin.draft_forms import SECRET, style_fields
from integrations.admin.metadata_filling import read_scopes
from integrations.admin.registries import add_scopes
from integrations.admin.template_form import check_secret
from integrations.models import admission
from integrations.models.registry import (
    ApplicationRegistry,
    ClientAuthentication,
    OAuthEntityProfile,
    Use,
    validation,
)
from integrations.provider_setup import trial as trials
from integrations.provider_setup.trial import CallResult, Trial

MENDS = ("integrations.change_applicationregistry", "integrations.change_oauthentityprofile")
ABOUT_CLIENT = ("client_id", SECRET, "send_credentials")


class MendForm(forms.Form):
    """The fields of a registration that a failed sign-in points to."""

    use_required_attribute = False  # the secret is not required once a public client is chosen

    client_id = forms.CharField(label=gettext_lazy("Client ID"), max_length=255)
    client_secret = forms.CharField(
        label=gettext_lazy("Client Secret"),
        max_length=2000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Copy it again; some consoles show an ID right next to the secret."),
    )
    send_credentials = forms.ChoiceField(
        label=gettext_lazy("Send Credentials"),
        choices=ClientAuthentication.choices,
        help_text=gettext_lazy("If you are sure of the secret, try the other way."),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"), required=False, widget=forms.CheckboxSelectMultiple
    )
    more_scopes = forms.CharField(
        label=gettext_lazy("Other scopes"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Separated by spaces. Everybody will be asked for them."),
    )

    def __init__(
        self, registry: ApplicationRegistry, profile: OAuthEntityProfile, field: str, data: Any = None
    ) -> None:
        super().__init__(data)
        self.registry, self.profile = registry, profile
        wanted_fields = ("scopes", "more_scopes") if field == "scopes" else ABOUT_CLIENT
        self.fields = {name: self.fields[name] for name in wanted_fields}
        self.initial = {"client_id": registry.client_id, "send_credentials": registry.send_credentials}
        if field == "scopes":
            choices = [(scope.scope, str(scope)) for scope in registry.scopes.order_by("name")]
            cast(forms.MultipleChoiceField, self.fields["scopes"]).choices = choices
            self.initial["scopes"] = profile.scope_values()
        else:
            sending = self["send_credentials"].data or registry.send_credentials
            self.fields[SECRET].required = ClientAuthentication.needs_secret(sending)
        style_fields(self)

    def focus_on(self, name: str) -> None:
        """Let the typing begin at the field that the provider's answer points to."""
        if name in self.fields and name != "scopes":
            self.fields[name].widget.attrs["autofocus"] = True

    def clean_more_scopes(self) -> list[str]:
        return read_scopes(self.cleaned_data["more_scopes"])

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if SECRET in self.fields and not self.errors:
            self.check_client(fields)
        style_fields(self)
        return fields

    @sensitive_variables("fields", "secret")
    def check_client(self, fields: dict[str, Any]) -> None:
        """Check Client ID and secret as the form of registries does."""
        secret = fields[SECRET]
        if ClientAuthentication.needs_secret(fields["send_credentials"]):
            try:
                check_secret(secret)
            except ValidationError as error:
                self.add_error(SECRET, error)
        elif secret:
            self.add_error(SECRET, _("A public client has no secret. Leave this empty."))
        changed = copy(self.registry)
        changed.client_id, changed.send_credentials = fields["client_id"], fields["send_credentials"]
        for name, message in validation.find_faults(changed):
            self.add_error(name if name in self.fields else None, message)

    @transaction.atomic
    def save(self) -> None:
        """Save, and forget the problem of the registration: the next sign-in will show."""
        registration_health.bring_back_refused(self.registry)
        self.registry.note_misconfigured("", use=Use.SIGN_IN)
        if "scopes" in self.fields:
            add_scopes(self.registry, self.cleaned_data["more_scopes"])
            chosen = [*self.cleaned_data["scopes"], *self.cleaned_data["more_scopes"]]
            self.profile.scopes.set(self.registry.scopes.filter(scope__in=chosen))
            return
        for name in ABOUT_CLIENT:
            setattr(self.registry, name, self.cleaned_data[name])
        self.registry.save()


@for_makers
@sensitive_post_parameters(SECRET)
@require_http_methods(["GET", "HEAD", "POST"])
def try_provider(request: HttpRequest, registry_id: UUID) -> HttpResponse:
    """Show where the trial is. A POST makes the call, corrects a field, takes the trial over or shows it to people."""
    user = cast(User, request.user)
    trial = trials.find_trial(registry_id, user)
    if trial is None:
        raise Http404
    action = request.POST.get("action", "") if trial.alias.awaits_trial else ""
    is_mine = trial.state not in {"taken", "forbidden"}
    if action == "take":
        trials.take_over(trial.alias, user)
    elif action == "show":
        trial.alias.show_to_people()
        messages.success(request, _("People can see %(name)s now.") % {"name": isolate_name(trial.name)})
        return redirect("integrations:providers")
    elif action == "call" and trial.state == "signed_in":
        result = trials.make_call(trial, request.POST.get("path", ""))
        return show_page(request, trial, result=result)
    elif action == "mend" and is_mine and (refusal := mending_refusal(request, trial)):
        messages.error(request, refusal)
    elif action == "mend" and is_mine and (response := save_mended(request, trial)):
        return response
    if request.method == "POST":
        return redirect("integrations:try_provider", trial.registry.hex)
    return show_page(request, trial)


def mending_refusal(request: HttpRequest, trial: Trial) -> str:
    """Return a sentence on why the registration may not be changed here; "" if it may."""
    if not request.user.has_perms(MENDS):
        return _("You may not change application registries. Ask an administrator who may.")
    if other := trials.find_shown_alias(trial.registry):
        return _("People use this registration with %(name)s already. Change it on the registry’s own page.") % {
            "name": isolate_name(other.title)
        }
    return ""


def save_mended(request: HttpRequest, trial: Trial) -> HttpResponse | None:
    """Save the corrected field and go on to the next sign-in; show the form again if it is not valid.

    A page goes on, because a redirect to the provider would belong to the form, whose page forbids it (form-action).
    """
    form = mending_form(trial, request.POST.get("field", ""), request.POST)
    if not form.is_valid():
        return show_page(request, trial, form=form)
    form.save()
    return redirect(f"{trial_url(trial)}?{urlencode({'again': int(time.time() * 1000), 'go': 1})}")


def trial_url(trial: Trial) -> str:
    return reverse("integrations:try_provider", args=[trial.registry.hex])


def connect_url(trial: Trial) -> str:
    """Where the administrator signs in, and comes back from; "" if they may not."""
    if trial.integration is None:
        return ""
    return f"{trial.integration.initiator_url}&{urlencode({'next': trial_url(trial)})}"


def mending_form(trial: Trial, field: str, data: Any = None) -> MendForm:
    credential = trial.alias.effective_credential
    assert credential is not None  # noqa: S101 - a trial has one
    return MendForm(credential.registry, credential.profile, field, data)


def show_page(
    request: HttpRequest, trial: Trial, *, result: CallResult | None = None, form: MendForm | None = None
) -> HttpResponse:
    user = cast(User, request.user)
    state = trial.state
    if result:
        state = f"call_{result.verdict}"
    elif form:
        state = "mending"
    elif state in {"failed", "waiting", "signed_in"} and not trial.began_after(request.GET.get("again", "")):
        state = "start"  # with what was corrected
    refusal = admission.find_refusal(user)
    needs_mending = form is None and state in {"failed", "waiting", "call_refused"}
    no_mending = mending_refusal(request, trial) if needs_mending else ""
    if needs_mending and not no_mending:
        form = mending_form(trial, "scopes" if state == "call_refused" else trial.field)
        form.focus_on(trial.field)
    context = {
        "title": _("Try %(name)s") % {"name": isolate_name(trial.name)},
        "trial": trial,
        "stage": state,
        "result": result,
        "form": form,
        "no_mending": no_mending,
        "field": request.POST.get("field") or ("scopes" if state == "call_refused" else trial.field),
        "refusal": refusal.refusal if refusal else "",
        "path": request.POST.get("path") or trials.default_path(trial.alias),
        "connect_url": connect_url(trial),
        "goes_on": state == "start" and "go" in request.GET,
        "has_window": "window" in request.POST,
        "revoke_url": reverse("integrations:revoke", args=[trial.alias.hex]),
    }
    return TemplateResponse(request, "administration/try_provider.html", context)
