"""Requests for Django's ModelAdmin in the name of a caller of the API, or of an administrator's command."""

from typing import Any, cast

from django.http import HttpRequest
from django.utils.html import strip_tags
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import PermissionDenied, ValidationError

from integrations.admin_api.errors import Conflict, errors_of, missing_permission
from integrations.admin_api.form_data import FormData, Members
from integrations.provider_setup.configuration.kinds import Kind


class Warnings:
    """Message storage of an `AdminRequest`: collects what the admin would show as messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, _level: int, message: Any, _extra_tags: str = "") -> None:
        """Keep a text once: a form may be saved in two steps."""
        text = strip_tags(str(message))
        if text not in self.texts:
            self.texts.append(text)


class AdminRequest(HttpRequest):
    """A request for a ModelAdmin, in the name of a user. `meta`: of the request of the API, if there is one."""

    def __init__(self, user: Any, meta: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.user, self.META = user, meta or {}
        self.method = "GET"
        self._messages = Warnings()

    def submit(self, form_data: FormData) -> None:
        self.method, self.FILES = "POST", form_data.files
        self.POST = cast(Any, form_data.data)  # typed as immutable

    def clear(self) -> None:
        self.submit(FormData())
        self.method = "GET"

    @property
    def warnings(self) -> list[str]:
        return self._messages.texts


@sensitive_variables("row")
def add_by_admin(model_admin: Any, request: AdminRequest, kind: Kind, members: Members) -> Any:
    """Create a row by the form of its ModelAdmin. For models whose form is all that a row has."""
    if not model_admin.has_add_permission(request):
        raise missing_permission("add", model_admin.model)
    form_class = model_admin.get_form(request)
    form_data = FormData()
    form_data.fill_form(form_class(), kind, members, None)
    request.submit(form_data)
    form = form_class(form_data.data)
    if not form.is_valid():
        raise ValidationError(dict(errors_of(form.errors)))
    row = model_admin.save_form(request, form, change=False)
    model_admin.save_model(request, row, form, False)
    model_admin.log_addition(request, row, [{"added": {}}])
    return row


def delete_by_admin(model_admin: Any, request: AdminRequest, row: Any) -> list[str]:
    """Delete a row through its ModelAdmin. Returns what else is affected, in words."""
    if not model_admin.has_delete_permission(request, row):
        raise missing_permission("delete", model_admin.model)
    deleted, _counts, lacking, protected = model_admin.get_deleted_objects([row], request)
    if protected:
        raise Conflict(f"It can’t be deleted, because this needs it: {'; '.join(map(plain_text, protected))}.")
    if lacking:
        raise PermissionDenied(f"You may not delete: {', '.join(sorted(map(str, lacking)))}.")
    model_admin.log_deletions(request, [row])
    model_admin.delete_model(request, row)
    return [plain_text(line) for line in deleted if isinstance(line, str)]


def plain_text(line: Any) -> str:
    return " ".join(strip_tags(str(line)).split())
