"""What somebody chooses for a new permanent token or application password."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.access_tokens import operations
from accounts.models import User

NEVER = "never"
DAYS = (7, 30, 60, 90, 180, 365)


class NewSecretForm(forms.Form):
    """A name that is not in use, and at least one scope, none of which is chosen beforehand."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )

    def __init__(self, *arguments: Any, owner: User, maker: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owner = owner
        choices = cast(forms.MultipleChoiceField, self.fields["scopes"])
        choices.choices = list(operations.giveable(owner, maker).items())

    def living(self) -> Any:
        """What is in use under a name."""
        raise NotImplementedError

    def clean_name(self) -> str:
        """A form that is sent twice by accident makes no second one, either."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        if self.living().filter(name__iexact=name).exists():
            raise forms.ValidationError(_("There is one of this name. Delete it first, or choose another name."))
        return name


class TokenForm(NewSecretForm):
    expires = forms.ChoiceField(label=gettext_lazy("Expires"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        field = cast(forms.ChoiceField, self.fields["expires"])
        field.choices = lifetimes()
        field.initial = str(min(settings.PERMANENT_TOKEN_DEFAULT_DAYS, settings.PERMANENT_TOKEN_MAX_DAYS))

    def living(self) -> Any:
        return self.owner.permanent_tokens.alive()

    @property
    def expires_at(self) -> datetime | None:
        chosen = self.cleaned_data["expires"]
        return None if chosen == NEVER else timezone.now() + timedelta(days=int(chosen))


class ApplicationPasswordForm(NewSecretForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["name"].label = _("Program")

    def living(self) -> Any:
        return self.owner.application_passwords.alive()


def lifetimes() -> list[tuple[str, str]]:
    """What the policy allows, each with the day on which it would end."""
    longest = settings.PERMANENT_TOKEN_MAX_DAYS
    allowed = sorted({min(days, longest) for days in (*DAYS, longest, settings.PERMANENT_TOKEN_DEFAULT_DAYS)})
    choices = [(str(days), in_words(days)) for days in allowed]
    return [*choices, (NEVER, _("No expiry"))] if settings.PERMANENT_TOKEN_MAY_NEVER_EXPIRE else choices


def in_words(days: int) -> str:
    # Translators: a date in Django's date format letters ("14 Feb 2027")
    until = date_format(timezone.localdate() + timedelta(days=days), _("j M Y"))
    return ngettext("%(days)d day, until %(until)s", "%(days)d days, until %(until)s", days) % {
        "days": days,
        "until": until,
    }
