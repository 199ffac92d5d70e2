"""Scopes of single integrations in what people and administrators have granted.

A scope names an integration, and names can be used again. What was granted belongs to the integration that had the name
then: it follows a new name, and ends with the integration. Knows only the names.
"""

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast
from oauth2_provider.models import get_access_token_model, get_grant_model

from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit import model_changes
from accounts.audit.log import Kind
from accounts.models import TokenFamily
from accounts.oauth_server.models import Application, Approval, DeviceAuthorization

TEXTS: tuple[tuple[type[Model], str], ...] = (
    (Application, "allowed_scopes"),
    (get_access_token_model(), "scope"),
    (get_grant_model(), "scope"),
    (TokenFamily, "scope"),
)
LISTS: tuple[type[Model], ...] = (PermanentToken, ApplicationPassword, Approval, DeviceAuthorization)
ENDED_IF_EMPTY = (get_grant_model(), Approval, DeviceAuthorization)  # they would ask for nothing, or allow nothing


def withdraw_scope(scope: str) -> None:
    """Remove a scope from all applications, approvals, codes, tokens and application passwords. Safe to repeat."""
    replace_scope(scope, [])


def rename_scope(scope: str, new_scope: str) -> None:
    """Give all that have a scope another one instead, which nothing has any more if it was used before."""
    with transaction.atomic():
        withdraw_scope(new_scope)
        replace_scope(scope, [new_scope])


@transaction.atomic
def replace_scope(scope: str, replacement: list[str]) -> None:
    for model, name in TEXTS:
        for row in rows_with(model, name, scope):
            before = str(getattr(row, name))
            after = " ".join(without_scope(before.split(), scope, replacement))
            store_scopes(row, name, after)
            if model is Application:
                change = model_changes.change_of(model._meta.get_field(name), before, after, is_secret=False)
                model_changes.write_changes(Kind.SET_UP_CHANGED, row, [change])
    for model in LISTS:
        for row in rows_with(model, "scopes", scope):
            store_scopes(row, "scopes", without_scope(row.scopes, scope, replacement))


def without_scope(granted: list[str], scope: str, replacement: list[str]) -> list[str]:
    return list(dict.fromkeys(word for each in granted for word in (replacement if each == scope else [each])))


def store_scopes(row: Any, name: str, value: Any) -> None:
    """Update one column, without the signals by which a changed application ends all approvals."""
    rows = type(row)._base_manager.filter(pk=row.pk)
    if not value and isinstance(row, ENDED_IF_EMPTY):
        rows.delete()
    else:
        rows.update(**{name: value})


def rows_with(model: type[Model], name: str, scope: str) -> Iterator[Any]:
    """Rows that have this scope, locked until the transaction ends."""
    rows: QuerySet[Any] = model._base_manager.select_for_update().order_by("pk")
    for row in rows.annotate(scopes_as_text=Cast(name, TextField())).filter(scopes_as_text__contains=scope):
        value = getattr(row, name)
        if scope in (value.split() if isinstance(value, str) else value):  # not only the beginning of a longer name
            yield row


def count_holders(scopes: list[str]) -> int:
    """The number of permanent tokens, application passwords and approvals that have one of these scopes."""
    holders: tuple[Any, ...] = (
        PermanentToken.objects.endable(),
        ApplicationPassword.objects.endable(),
        Approval.objects.all(),
    )
    return sum(bool(set(scopes) & set(names)) for rows in holders for names in rows.values_list("scopes", flat=True))
