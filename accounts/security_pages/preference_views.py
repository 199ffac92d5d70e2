"""Language and time: in which language and time zone a user reads pages and mails, and whether "/" searches."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.preferences import ZONE_COOKIE
from foundation import reader_time


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The choices of one user. Empty: as the browser or the site has it."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), required=False)
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False)

    class Meta:
        model = User
        fields = ("language", "time_zone", "slash_searches")

    def __init__(self, *arguments: Any, browser_zone: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        language, time_zone = cast(forms.ChoiceField, self.fields["language"]), self.fields["time_zone"]
        language.choices = [("", _("As the browser; mails as the site")), *settings.LANGUAGES]
        cast(forms.ChoiceField, time_zone).choices = zone_choices(self.instance.time_zone, browser_zone)
        for name in ("language", "time_zone"):
            self.fields[name].widget.attrs["class"] = "input"


def zone_choices(chosen: str, browser_zone: str) -> list[Any]:
    """Time zones by region. A chosen one that the list leaves out stays."""
    if reader_time.zone_named(browser_zone):
        automatic = _("As this browser: %(zone)s") % {"zone": zone_words(browser_zone)}
    else:
        automatic = _("As the browser, else the site: %(zone)s") % {"zone": zone_words(settings.TIME_ZONE)}
    regions = reader_time.zones_by_region()
    in_regions = {name for names in regions.values() for name in names}
    others = [reader_time.UTC, *({chosen} - in_regions - {"", reader_time.UTC})]
    return [
        ("", automatic),
        *((name, zone_words(name)) for name in others),
        *((region, [(name, zone_words(name)) for name in names]) for region, names in regions.items()),
    ]


def zone_words(name: str) -> str:
    return name.replace("_", " ")


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def edit_preferences(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(username=request.user.get_username())
    form = PreferencesForm(request.POST or None, instance=user, browser_zone=request.COOKIES.get(ZONE_COOKIE, ""))
    if request.method == "POST" and form.is_valid():
        user.save(update_fields=PreferencesForm.Meta.fields)
        messages.success(request, _("Language and time saved."))
        return redirect("accounts:security")
    return render(request, "accounts/preferences.html", {"form": form})
