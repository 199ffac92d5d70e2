"""Step 2 of Add a provider: what the provider gave, typed or from a file, and what has to be corrected for it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from foundation.name_lists import join_names
from integrations.admin.draft_corrections import SEND, correction_fields, corrections_in, values_of
from integrations.admin.draft_forms import SECRET, style_fields, typed_values
from integrations.admin.template_form import FromTemplateForm, answer_name
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.registry import ApplicationRegistry, ClientAuthentication, validation
from integrations.provider_setup import drafts
from integrations.provider_setup.doctor import Finding
from integrations.provider_setup.from_template import Answers

LARGEST_FILE = 20_000  # bytes
EXPIRES = "client_secret_expires_on"
ABOUT_CLIENT = ("client_id", SECRET)  # a wrong way to send them looks like a wrong value
NO_SECRET_FILE = gettext_lazy("Choose a text file with nothing but the secret, or JSON that has a client_secret.")


@sensitive_variables()
def read_secret_file(upload: "UploadedFile[bytes]") -> dict[str, str]:
    """Return client_secret, and client_id if the file names one. Raises `ValidationError` if it has no secret.

    JSON may have them one level down, as Google's does ("web", "installed").
    """
    try:
        text = upload.read(LARGEST_FILE + 1).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > LARGEST_FILE:
        raise ValidationError(NO_SECRET_FILE)
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    document = parsed if isinstance(parsed, dict) else {SECRET: text}  # a secret of digits is JSON, too
    for level in (document, *document.values()):
        if isinstance(level, dict) and isinstance(level.get(SECRET), str) and "\n" not in level[SECRET]:
            client_id = level.get("client_id")
            return {SECRET: level[SECRET], **({"client_id": client_id} if isinstance(client_id, str) else {})}
    raise ValidationError(NO_SECRET_FILE)


class EnterForm(FromTemplateForm):
    """Step 2: Client ID, Client Secret, the questions of the template, scopes, and what may be corrected."""

    use_required_attribute = False  # the file may have what is left empty
    secret_file = forms.FileField(
        label=gettext_lazy("Or a file with it"),
        required=False,
        help_text=gettext_lazy(
            "The secret as text, or JSON with client_id and client_secret, as Google offers it. The file isn’t kept."
        ),
    )
    client_secret_expires_on = forms.DateField(
        label=gettext_lazy("Secret expires on"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=ApplicationRegistry._meta.get_field(EXPIRES).help_text,  # type: ignore[union-attr]  # a column
    )
    LEFT_OUT = ("reserved_id", "name", "alias", "integration_type")

    def __init__(self, draft: ProviderDraft, data: QueryDict | None = None, files: Any = None, **options: Any) -> None:
        self.draft = draft
        self.words: list[str] = []  # of the provider, about what is wrong
        self.takes_stored_secret = False
        self.refused_file: ValidationError | None = None
        self.corrections = correction_fields(draft)
        self.refuses_client = False  # the provider, in the check
        upload = files and files.get("secret_file")
        if data is not None and upload:
            data = self.fill_from_file(data, upload)
        if data is not None:
            data = self.complete(data)
        super().__init__(draft, data, files, **options)  # type: ignore[arg-type]  # a draft has what a template has
        for name in self.LEFT_OUT:
            del self.fields[name]
        self.fields |= self.corrections
        self.initial |= draft.entered.get("fields", {})
        if SECRET not in self.fields:
            del self.fields["secret_file"], self.fields[EXPIRES]
        elif self.is_public:
            self.fields[SECRET].required = False
        elif draft.has_secret:
            self.fields[SECRET].required = False
            self.fields[SECRET].help_text = _("It is stored. Leave this empty to keep it.")
        style_fields(self)

    def complete(self, data: QueryDict) -> QueryDict:
        """Return the form's data with what it doesn't name of the corrections, as the draft has it."""
        data, stored = data.copy(), self.draft.entered.get("fields", {})
        for name, field in self.corrections.items():
            if name not in data:
                data[name] = stored.get(name, field.initial)
        return data

    @property
    def is_public(self) -> bool:
        """Whether the client has no secret, as Send Credentials is chosen now."""
        stored = self.draft.entered.get("fields", {}).get(SEND) or values_of(self.draft.read)[SEND]
        return not ClientAuthentication.needs_secret(self.data.get(SEND) or stored)

    def takes_secret(self) -> bool:
        """Also if one was typed that is too much, so that the field can say so."""
        return not self.is_public or bool(self.data.get(SECRET))

    @sensitive_variables()
    def fill_from_file(self, data: QueryDict, upload: "UploadedFile[bytes]") -> QueryDict:
        """Return the form's data, completed by what the file has. What was typed stays."""
        data = data.copy()
        try:
            from_file = read_secret_file(upload)
        except ValidationError as error:
            self.refused_file = error
            return data
        for name, value in from_file.items():
            data[name] = data.get(name) or value
        return data

    def clean_secret_file(self) -> None:
        if self.refused_file:
            raise self.refused_file

    def reserve_id(self) -> UUID:
        return self.draft.pk

    def clean_client_secret(self) -> str:
        if self.is_public:
            raise ValidationError(_("A public client has no secret. Leave this empty."))
        self.takes_stored_secret = not self.cleaned_data[SECRET] and self.draft.has_secret
        return str(self.draft.client_secret) if self.takes_stored_secret else super().clean_client_secret()

    def clean(self) -> dict[str, Any]:
        fields = super().clean()
        labels = drafts.new_receivers(self.draft, self.answers()) if not self.errors else []
        if labels and self.takes_stored_secret:
            self.add_error(SECRET, validation.receivers_message(labels))
        return fields

    @sensitive_variables("fields")
    def answers(self) -> Answers:
        fields = {**self.cleaned_data, "name": self.draft.name, "alias": "", "integration_type": "personal"}
        corrections = corrections_in(self.draft, self.cleaned_data)
        expires_on = self.cleaned_data.get(EXPIRES)
        return replace(self.answers_from(fields), corrections=corrections, secret_expires_on=expires_on)

    @property
    def essentials(self) -> list[forms.BoundField]:
        """Client ID and secret first, then the questions. Send Credentials, too, if it may be what is wrong."""
        questions = [bound.name for bound in self if bound.name.startswith("answer_")]
        names = ["client_id", SECRET, *([SEND] if self.blames_sending else []), *questions]
        return [self[name] for name in names if name in self.fields]

    @property
    def more(self) -> list[forms.BoundField]:
        """What few need."""
        return [self[name] for name in ("secret_file", EXPIRES) if name in self.fields]

    @property
    def has_more(self) -> bool:
        """Whether the folded part has something to show."""
        return any(bound.value() or bound.errors for bound in self.more)

    @property
    def blames_sending(self) -> bool:
        return self.refuses_client or SEND in self.errors

    @property
    def set_up(self) -> list[forms.BoundField]:
        """What else may be corrected."""
        essentials = {bound.name for bound in self.essentials}
        return [self[name] for name in self.corrections if name not in essentials]

    @property
    def has_wrong_set_up(self) -> bool:
        return any(bound.errors for bound in self.set_up)

    @property
    def differing(self) -> str:
        """Labels of what was corrected; "" if nothing was."""
        values = values_of(self.draft.read)
        bounds = [self[name] for name in self.corrections]
        return join_names([str(bound.label) for bound in bounds if (bound.value() or "") != values[bound.name]])

    def entered(self) -> dict[str, Any]:
        """What was typed, without the secret, also if it is not valid."""
        return typed_values(self)

    def field_of(self, finding: Finding) -> str | None:
        """The form's field behind a finding; for an address that an answer decides, that answer."""
        if finding.field in self.fields:
            return finding.field
        question = self.definition.question_in(values_of(self.draft.read).get(finding.field, ""))
        return answer_name(question) if question else None

    def show_faults(self, findings: Sequence[Finding]) -> None:
        """Add the faults of a check, one to each field that causes some, with the provider's own words."""
        self.refuses_client = any(finding.is_fault and finding.field in ABOUT_CLIENT for finding in findings)
        for finding in findings:
            field = self.field_of(finding)
            if finding.is_fault and (field is None or field not in self.errors):
                self.add_error(field, finding.sentence)
                self.words += [finding.words] if finding.words else []
        style_fields(self)
