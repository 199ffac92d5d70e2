"""Writes and deletes rows through their ModelAdmin: with its permissions, ranks, forms and histories.

A dry run does the same, and the caller rolls it back. Nothing is written if nothing would change.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import Group
from django.db.models import DateTimeField, Model
from django.forms import all_valid
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import PermissionDenied, ValidationError

from accounts.models import User
from accounts.sign_in import mfa
from foundation.secrets_at_rest import value_or_blank
from integrations.admin_api.admin_requests import AdminRequest, delete_by_admin
from integrations.admin_api.documents import Document, document_of, find_differences
from integrations.admin_api.errors import ConfirmationRequired, errors_of, missing_permission
from integrations.admin_api.form_data import FormData, Members, by_key, is_same
from integrations.admin_api.resources import FORM_MEMBERS, Resource
from integrations.provider_setup.configuration.kinds import Kind

END_SIGN_INS = "end_sign_ins"
LACKS_SECOND_STEP = "You have no two-step sign-in, and need it with this. Until you set it up, your tokens are refused."


@dataclass(kw_only=True)
class Applied:
    """The result of a write. `client_secret`: of a new OAuth application, returned this once."""

    is_new: bool
    document: Document | None
    changes: list[Document] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    client_secret: str = field(default="", repr=False)


@sensitive_variables("members")
def write_row(resource: Resource, request: AdminRequest, row: Any, members: Members, parent: Any = None) -> Applied:
    """Create or change a row. `row`: None to create one. `members`: what is to be, other members stay as they are.

    Takes two steps: some fields appear on the form of an existing row only, and a form offers stored rows only.
    """
    check_add_permission(resource, request, row)
    for child in resource.kind.children:
        by_key(child, members.get(child.name, []))
    is_new, before, secret_changes = row is None, {}, []
    if row is not None:
        before = document_of(resource, row, request)
        secret_changes = [name for name in resource.kind.secrets if is_new_secret(row, name, members)]
    client_secret = ""
    for step_members in [members_for_siblings(resource.kind, members, before), members]:
        editor = Editor(resource, request, row, step_members, parent)
        editor.save()
        row = resource.rows(request, parent).get(pk=editor.row.pk)
        client_secret = client_secret or getattr(editor.row, "new_secret", "")
    if resource.model in (User, Group):
        warn_of_own_second_step(request)
    document = document_of(resource, row, request)
    changes = [*find_differences(resource.kind, before, document)]
    changes += [{"path": name, "before": "stored", "after": "changed"} for name in secret_changes]
    return Applied(
        is_new=is_new, document=document, changes=changes, warnings=request.warnings, client_secret=client_secret
    )


def warn_of_own_second_step(request: AdminRequest) -> None:
    """Point out that the caller must use two-step sign-in now and doesn't: their next request is refused."""
    if mfa.is_missing(cast(User, request.user)):
        request.warnings.append(LACKS_SECOND_STEP)


def check_add_permission(resource: Resource, request: AdminRequest, row: Any) -> None:
    """Check the permission to create a row. To create a person also takes the permission to change people."""
    model_admin = resource.model_admin
    if row is None and not model_admin.has_add_permission(request):
        raise missing_permission("add", resource.model)
    if row is None and resource.model is User and not model_admin.has_change_permission(request):
        raise missing_permission("change", resource.model)


def is_new_secret(row: Any, name: str, members: Members) -> bool:
    """Tell whether a stored secret is replaced. A missing one shows in the document."""
    return bool(members.get(name)) and bool(row.__dict__.get(name)) and value_or_blank(row, name) != members[name]


def members_for_siblings(kind: Kind, members: Members, before: Document) -> Members:
    """Return the members of the first step: without links to rows of another list that this step creates."""
    first = dict(members)
    for child in kind.children:
        links = {name: link for name, link in child.many.items() if link.beside}
        if not links or child.name not in members:
            continue
        stored = {row[sibling.key] for sibling in kind.children for row in before.get(sibling.name, [])}
        first[child.name] = [
            {**row, **{name: [key for key in row[name] if key in stored] for name in links if name in row}}
            for row in members[child.name]
        ]
    return first


class Editor:
    """One form of the admin, filled in and saved."""

    def __init__(self, resource: Resource, request: AdminRequest, row: Any, members: Members, parent: Any) -> None:
        self.resource, self.request, self.row, self.members, self.parent = resource, request, row, members, parent
        self.kind, self.model_admin = resource.kind, resource.model_admin
        self.is_new = row is None
        self.current = None if self.is_new else document_of(resource, row, request)

    def save(self) -> None:
        """Fill in the form and save it, if that changes anything."""
        if not self.is_new and not self.has_requests():
            return
        if not self.is_new and not self.may_change():
            raise missing_permission("change", self.resource.model)
        form, formsets = self.build_forms()
        if not self.is_new and not self.changes_anything(form, formsets):
            return
        self.check_validity(form, formsets)
        self.check_confirmation(form)
        self.row = self.model_admin.save_form(self.request, form, change=not self.is_new)
        self.model_admin.save_model(self.request, self.row, form, not self.is_new)
        self.model_admin.save_related(self.request, form, formsets, not self.is_new)
        message = self.model_admin.construct_change_message(self.request, form, formsets, self.is_new)
        log = self.model_admin.log_addition if self.is_new else self.model_admin.log_change
        log(self.request, self.row, message)

    def may_change(self) -> bool:
        return bool(self.model_admin.has_change_permission(self.request, self.row))

    def has_requests(self) -> bool:
        """Tell whether the row differs from the requested members.

        A secret is compared with the stored one only for those who may change it: the answer would tell if it is right.
        """
        current = self.current or {}
        children = {child.name: child for child in self.kind.children}
        for name, value in self.members.items():
            if name in children:
                if not matches_rows(children[name], current.get(name), value):
                    return True
            elif name in self.kind.secrets:
                if not self.may_change() or (value and value_or_blank(self.row, name) != value):
                    return True
            elif name in current and not is_same(self.kind, name, current[name], value):
                return True
        return False

    def build_forms(self) -> tuple[Any, list[Any]]:
        """Return the bound form and formsets. Raises `PermissionDenied` for what they don't offer."""
        self.request.clear()
        names = self.field_names()
        form_class = self.model_admin.get_form(self.request, self.row, change=not self.is_new, fields=names)
        empty_form = form_class(instance=self.row) if self.row else form_class()
        empty_form.fields = {name: field for name, field in empty_form.fields.items() if name in names}
        empty_sets, inlines = self.create_formsets(empty_form.instance)
        form_data = FormData()
        form_data.fill_form(empty_form, self.kind, self.members_of_form(), self.current)
        parent = None if self.is_new else self.row
        if self.parent is not None and self.kind.parent in empty_form.fields:
            form_data.put(self.kind.parent, self.parent.pk)
        children = {child.name: child for child in self.kind.children}
        for formset, inline in zip(empty_sets, inlines, strict=True):
            child = children[formset.prefix]
            stored = (self.current or {}).get(child.name, [])
            requested = self.members.get(child.name)
            self.check_rows(inline, child, stored, requested)
            names = flatten_fieldsets(inline.get_fieldsets(self.request, parent))
            form_data.fill_rows(formset, child, requested, stored, names=names)
        self.check_offered(empty_form, {formset.prefix for formset in empty_sets})
        self.request.submit(form_data)
        form = form_class(self.request.POST, self.request.FILES, instance=self.row)
        return form, self.create_formsets(form.instance)[0]

    def field_names(self) -> list[str]:
        """Return the fields that the admin's page has, without moments, which nobody enters. A form may have more."""
        fields = self.resource.model._meta.concrete_fields
        moments = {column.name for column in fields if isinstance(column, DateTimeField)}
        names = flatten_fieldsets(self.model_admin.get_fieldsets(self.request, self.row))
        return [name for name in names if name not in moments]

    def create_formsets(self, instance: Model) -> tuple[list[Any], list[Any]]:
        formsets, inlines = self.model_admin._create_formsets(self.request, instance, change=not self.is_new)
        return list(formsets), list(inlines)

    def members_of_form(self) -> Members:
        """Return the members under the names that the form has for them."""
        if self.resource.model is not User or not self.is_new:
            return self.members
        return {**self.members, "usable_password": "false", "password1": "", "password2": ""}

    def check_offered(self, form: Any, lists: set[str]) -> None:
        """Raise `PermissionDenied` for a member that would change, and that the caller's form doesn't have.

        A new row's form may lack it, because the form of the existing row has it.
        """
        if self.is_new:
            return
        current = self.current or {}
        children = {child.name for child in self.kind.children}

        def is_missing(name: str, value: Any) -> bool:
            if name in children:
                return name not in lists
            return name in current and name not in form.fields and not is_same(self.kind, name, current[name], value)

        missing = [name for name, value in self.members.items() if is_missing(name, value)]
        if missing:
            raise PermissionDenied(f"You may not change: {', '.join(sorted(missing))}.")

    def check_rows(self, inline: Any, child: Kind, stored: list[Members], requested: list[Members] | None) -> None:
        """Raise `PermissionDenied` if the caller may not add, change or delete the rows of a list as requested."""
        if requested is None:
            return
        old = {row[child.key]: row for row in stored}
        keys = {row[child.key] for row in requested}
        needed = {
            "add": bool(keys - old.keys()),
            "delete": bool(old.keys() - keys),
            "change": any(
                not matches_row(child, old[row[child.key]], row) for row in requested if row[child.key] in old
            ),
        }
        for action, is_needed in needed.items():
            permits = getattr(inline, f"has_{action}_permission")
            if is_needed and not permits(self.request, self.row):
                raise missing_permission(action, child.model)

    def changes_anything(self, form: Any, formsets: list[Any]) -> bool:
        """Tell whether saving would change stored values. What only confirms or proves doesn't count."""
        neutral = {*FORM_MEMBERS.get(self.resource.model, {})}
        stored = {name for name in form.changed_data if name in self.kind.members or name.startswith("remove_")}
        same = {name for name in self.kind.secrets if not is_new_secret(self.row, name, self.members)}
        had = {name for name in same if self.row.__dict__.get(name)}
        return bool(stored - neutral - had) or any(formset.has_changed() for formset in formsets)

    def check_validity(self, form: Any, formsets: list[Any]) -> None:
        is_valid = form.is_valid()
        if all_valid(formsets) and is_valid:
            return
        errors = dict(errors_of(form.errors))
        for formset in formsets:
            for row in formset.forms:
                label = getattr(row.instance, "name", "") or "new"
                errors.update(errors_of(row.errors, f"{formset.prefix}/{label}"))
            if formset.non_form_errors():
                errors[formset.prefix] = [str(error) for error in formset.non_form_errors()]
        raise ValidationError(errors)

    def check_confirmation(self, form: Any) -> None:
        """Raise `ConfirmationRequired` if sign-ins would end, as the admin asks on a page of its own."""
        count = form.count_ending_sign_ins() if hasattr(form, "count_ending_sign_ins") else 0
        if count and not self.members.get(END_SIGN_INS):
            message = f"This ends {count} sign-ins and revokes their tokens. Send “{END_SIGN_INS}”: true to confirm."
            raise ConfirmationRequired(message)


def matches_rows(kind: Kind, stored: list[Members] | None, requested: list[Members]) -> bool:
    """Tell whether a stored list is the requested one."""
    rows = {row[kind.key]: row for row in stored or []}
    if stored is None or rows.keys() != {row[kind.key] for row in requested}:
        return False
    return all(matches_row(kind, rows[row[kind.key]], row) for row in requested)


def matches_row(kind: Kind, stored: Members, requested: Members) -> bool:
    return all(is_same(kind, name, stored[name], value) for name, value in requested.items() if name in stored)


# Delete ---------------------------------------------------------------------------------------------------------------


def delete_row(resource: Resource, request: AdminRequest, row: Any) -> Applied:
    """Delete a row as the admin does. Raises `Conflict` if something needs it."""
    before = document_of(resource, row, request)
    affected = delete_by_admin(resource.model_admin, request, row)
    changes = [{"path": "", "before": before, "after": None}]
    return Applied(is_new=False, document=None, changes=changes, warnings=affected + request.warnings)
