"""Form for a new integration from a configuration template: asks only for what varies."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast
from uuid import UUID, uuid4

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from foundation.secrets_at_rest import NoKeys, keyring
from integrations.admin import addresses
from integrations.admin.addresses import origin
from integrations.admin.metadata_filling import QUOTED_LENGTH
from integrations.admin.registry_form import RESERVED_ID
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.definitions import Question, fill_in
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    ClientAuthentication,
    IntegrationType,
    OAuthEntityScope,
    validation,
)
from integrations.models.registry.validation import BOUND_TO_SECRET, GET_SECRETS
from integrations.models.template_texts import shown_question, shown_scope_name
from integrations.provider_setup import from_template
from integrations.provider_setup.from_template import Answers

CALLED = tuple(name for name in dict.fromkeys((*BOUND_TO_SECRET, *GET_SECRETS)) if name.endswith("_url"))


class FromTemplateForm(forms.Form):
    reserved_id = forms.CharField(required=False, widget=forms.HiddenInput)
    client_id = forms.CharField(
        label=gettext_lazy("Client ID"), max_length=255, widget=forms.TextInput(attrs={"class": "vTextField"})
    )
    client_secret = forms.CharField(
        label=gettext_lazy("Client Secret"),
        strip=False,
        max_length=2000,
        help_text=gettext_lazy("Never shown again, not even on this page."),
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"), required=False, widget=forms.CheckboxSelectMultiple
    )
    other_scopes = forms.CharField(
        label=gettext_lazy("Other scopes"),
        required=False,
        help_text=gettext_lazy("One per line, followed by a space and its label: “notes:read Read notes”."),
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField", "spellcheck": "false"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Name of the registry and the credential. People see it on their card."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    alias = forms.CharField(
        label=gettext_lazy("Alias"),
        max_length=80,
        validators=Alias._meta.get_field("name").validators,
        help_text=gettext_lazy("The name that programs use: letters, digits and underscores."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    integration_type = forms.ChoiceField(
        label=gettext_lazy("Integration Type"),
        choices=IntegrationType.choices,
        initial=IntegrationType.PERSONAL,
        help_text=gettext_lazy("Personal: each person signs in. System: one sign-in for all."),
    )

    def __init__(self, template: ConfigurationTemplate, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.template, self.definition = template, template.read
        self.registry_id = self.reserve_id()
        self.initial["name"] = template.name[:100]
        self.initial["alias"] = alias_name(template.key or template.name)
        self.initial["reserved_id"] = signing.dumps(self.registry_id.hex, salt=RESERVED_ID)
        self.offer_scopes()
        answers = {answer_name(question): answer_field(question) for question in self.definition.questions}
        self.fields = {**answers, **self.fields}
        if not self.takes_secret():
            del self.fields["client_secret"]

    def takes_secret(self) -> bool:
        return ClientAuthentication.needs_secret(self.definition.registry.get("send_credentials"))

    def reserve_id(self) -> UUID:
        """Choose the id when the empty form is shown, so that the Redirect URL on it stays valid."""
        with suppress(signing.BadSignature):
            return UUID(signing.loads(self.data.get("reserved_id", ""), salt=RESERVED_ID))
        return uuid4()

    def offer_scopes(self) -> None:
        field = cast(forms.MultipleChoiceField, self.fields["scopes"])
        optional = [scope for scope in self.definition.scopes if not scope.required]
        field.choices = [
            (
                scope.scope,
                scope.name if scope.name == scope.scope else f"{shown_scope_name(scope.name)} ({scope.scope})",
            )
            for scope in optional
        ]
        self.initial["scopes"] = [scope.scope for scope in optional if scope.chosen]
        required = ", ".join(scope.scope for scope in self.definition.scopes if scope.required)
        if required:
            field.help_text = _("Always requested: %(scopes)s.") % {"scopes": required}
        if not optional:
            del self.fields["scopes"]

    @property
    def redirect_url(self) -> str:
        return ApplicationRegistry(id=self.registry_id).redirect_url

    def clean_client_secret(self) -> str:
        return check_secret(str(self.cleaned_data["client_secret"]))

    def clean_other_scopes(self) -> list[tuple[str, str]]:
        lines = [line.strip().partition(" ") for line in self.cleaned_data["other_scopes"].splitlines() if line.strip()]
        for scope, _space, words in lines:
            try:
                OAuthEntityScope(scope=scope, name=words or scope[:100]).clean_fields(exclude=["registry"])
            except ValidationError as error:
                raise ValidationError(f"{scope[:QUOTED_LENGTH]}: {' '.join(error.messages)}") from None
        return [(scope, words.strip() or scope[:100]) for scope, _space, words in lines]

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        for question in self.definition.questions:
            answer = str(fields.get(answer_name(question), "")).rstrip("/")
            if answer and not question.fits(answer):
                self.add_error(answer_name(question), MISSPELT[question.kind])
        for name, message in from_template.find_taken_names(fields.get("name", ""), fields.get("alias", "")):
            self.add_error(name, message)
        if ApplicationRegistry.objects.filter(pk=self.registry_id).exists():
            raise ValidationError(_("This page was already saved. Open the registry from the list."))
        if not self.errors:
            self.check_rows()
        if not self.errors:
            self.check_addresses()
        return fields

    def check_rows(self) -> None:
        """Validate the registry that would be created."""
        for name, fault in validation.find_faults(from_template.registry_of(self.definition, self.answers())):
            self.add_error(name if name in self.fields else None, fault)

    def check_addresses(self) -> None:
        """Check each server once: the answers decide where the secret and people's tokens go."""
        answers = self.answers().answers
        texts = {name: self.definition.registry.get(name, "") for name in CALLED}
        texts["connection_url"] = self.definition.connection_url
        urls = {text: str(fill_in(text, answers)) for name, text in texts.items() if text and name not in self.fields}
        for text in {origin(url): text for text, url in urls.items()}.values():
            try:
                addresses.check_address(urls[text])
            except ValidationError as error:
                question = self.definition.question_in(text)
                self.add_error(answer_name(question) if question else None, error)

    def answers(self) -> Answers:
        return self.answers_from(self.cleaned_data)

    @sensitive_variables("fields")
    def answers_from(self, fields: Mapping[str, Any]) -> Answers:
        questions = self.definition.questions
        return Answers(
            name=fields["name"],
            alias=fields["alias"],
            client_id=fields["client_id"],
            client_secret=fields.get("client_secret", ""),
            answers={question.name: str(fields[answer_name(question)]).rstrip("/") for question in questions},
            scopes=self.chosen_scopes(),
            registry_id=self.registry_id,
            integration_type=fields["integration_type"],
        )

    def chosen_scopes(self) -> tuple[tuple[str, str], ...]:
        """Return required, chosen and typed scopes, each once."""
        chosen = self.cleaned_data.get("scopes", [])
        offered = [
            (scope.scope, scope.name) for scope in self.definition.scopes if scope.required or scope.scope in chosen
        ]
        return tuple({**dict(self.cleaned_data["other_scopes"]), **dict(offered)}.items())


@sensitive_variables("typed")
def check_secret(typed: str) -> str:
    """Return a secret that can be stored. Raises `ValidationError` if it can't."""
    try:
        keyring()
    except NoKeys as error:
        message = _("Keyrack can’t store a secret: %(why)s Nothing was saved.")
        raise ValidationError(message % {"why": error}) from None
    if not typed.strip():
        raise ValidationError(_("Enter a secret. This is only spaces."))
    if fault := validation.wrong_secret(typed):
        raise ValidationError(fault)
    return typed


MISSPELT = {
    "address": gettext_lazy("Enter an address: https://, a host, and perhaps a path."),
    "host": gettext_lazy("Enter a host alone, such as login.example.com."),
    "label": gettext_lazy("Enter letters, digits and hyphens: one part of a host’s name."),
    "segment": gettext_lazy("Enter one part of an address: letters, digits, points, hyphens."),
    "text": gettext_lazy("Enter one line, without braces."),
}


def answer_name(question: Question) -> str:
    return f"answer_{question.name}"


def answer_field(question: Question) -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "vTextField", "autocapitalize": "none", "spellcheck": "false"})
    return forms.CharField(
        label=shown_question(question.label),
        initial=question.default,
        help_text=shown_question(question.help),
        max_length=300,
        widget=widget,
    )


def alias_name(text: str) -> str:
    return "_".join("".join(char if char.isascii() and char.isalnum() else " " for char in text).lower().split())[:80]
