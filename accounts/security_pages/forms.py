"""Forms for new permanent tokens and application passwords."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import scopes
from accounts.access_tokens import operations
from accounts.models import User
from accounts.scopes import Reach, scopes_within

NEVER = "never"
DAYS = (7, 30, 60, 90, 180, 365)


class NewSecretForm(forms.Form):
    """Asks for an unused name and at least one scope. No scope is preselected."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    reach = forms.ChoiceField(choices=Reach, required=False)  # without it, the scopes are taken as they are
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, required=False)

    def __init__(self, *arguments: Any, owner: User, maker: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owner = owner
        grantable = self.scope_choices(owner, maker)
        cast(forms.MultipleChoiceField, self.fields["scopes"]).choices = list(grantable.items())
        self.services = scopes.services_of(owner, grantable)
        self.other_scopes = {scope: words for scope, words in grantable.items() if not scope.startswith(scopes.SERVICE)}

    def scope_choices(self, owner: User, maker: User) -> dict[str, object]:
        """The scopes on offer, with descriptions."""
        return operations.grantable_scopes(owner, maker)

    def clean(self) -> dict[str, Any]:
        """Combine how many integrations it may call with the other scopes."""
        answers: dict[str, Any] = super().clean() or self.cleaned_data
        chosen, reach = answers.get("scopes", []), answers.get("reach", "")
        if "scopes" in self.errors:
            return answers
        answers["scopes"] = scopes_within(chosen, reach)
        if reach == Reach.SELECTED and not any(map(scopes.is_service, chosen)):
            self.add_error("reach", _("Select at least one, or choose “None”."))
        elif not answers["scopes"]:
            self.add_error("scopes", _("Choose at least one."))
        return answers

    def rows_with_names(self) -> Any:
        """The rows whose names are taken."""
        raise NotImplementedError

    def clean_name(self) -> str:
        """Refuse a name in use. This also stops a form that was sent twice."""
        name = normalize_name(self.cleaned_data["name"])
        if self.rows_with_names().filter(name__iexact=name).exists():
            raise forms.ValidationError(_("This name is in use. Choose another name, or delete the other one first."))
        return name


class TokenForm(NewSecretForm):
    expires = forms.ChoiceField(label=gettext_lazy("Expires"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        field = cast(forms.ChoiceField, self.fields["expires"])
        field.choices = lifetime_choices()
        field.initial = str(min(settings.PERMANENT_TOKEN_DEFAULT_DAYS, settings.PERMANENT_TOKEN_MAX_DAYS))

    def rows_with_names(self) -> Any:
        return self.owner.permanent_tokens.alive()

    @property
    def expires_at(self) -> datetime | None:
        choice = self.cleaned_data["expires"]
        return None if choice == NEVER else timezone.now() + timedelta(days=int(choice))


class ApplicationPasswordForm(NewSecretForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["name"].label = _("Program")

    def scope_choices(self, owner: User, maker: User) -> dict[str, object]:
        return scopes.for_passwords(owner)

    def rows_with_names(self) -> Any:
        return self.owner.application_passwords.alive()


def normalize_name(name: str) -> str:
    """A name as it is stored: with single spaces."""
    return " ".join(str(name).split())


def lifetime_choices() -> list[tuple[str, str]]:
    """Choices of lifetimes that the settings allow, each with its last day."""
    longest = settings.PERMANENT_TOKEN_MAX_DAYS
    allowed = sorted({min(days, longest) for days in (*DAYS, longest, settings.PERMANENT_TOKEN_DEFAULT_DAYS)})
    choices = [(str(days), describe_lifetime(days)) for days in allowed]
    return [*choices, (NEVER, _("No expiry"))] if settings.PERMANENT_TOKEN_MAY_NEVER_EXPIRE else choices


def describe_lifetime(days: int) -> str:
    # Translators: a date in Django's date format letters ("14 Feb 2027")
    until = date_format(timezone.localdate() + timedelta(days=days), _("j M Y"))
    return ngettext("%(days)d day, until %(until)s", "%(days)d days, until %(until)s", days) % {
        "days": days,
        "until": until,
    }
