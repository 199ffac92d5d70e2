"""Refusals of the administration API that django-rest-framework has no class for."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from rest_framework.exceptions import APIException, PermissionDenied


class Conflict(APIException):
    """The request doesn't fit what is stored."""

    status_code = 409
    default_code = "conflict"


class Unchangeable(Conflict):
    """The row exists, differs, and can only be replaced. `members`: what the answer has beside the sentence."""

    def __init__(self, changes: list[dict[str, Any]], sentence: str) -> None:
        names = ", ".join(change["path"] for change in changes)
        super().__init__(f"It exists with another {names}. {sentence}")
        self.members = {"changes": changes}


class ConfirmationRequired(APIException):
    """The change has a consequence that the caller has to confirm."""

    status_code = 409
    default_code = "confirmation_required"


class PreconditionFailed(APIException):
    """The row was changed since the caller read it (RFC 9110 §13.1.1)."""

    status_code = 412
    default_code = "precondition_failed"


def missing_permission(action: str, model: Any) -> PermissionDenied:
    """Return the refusal of an action that the admin doesn't allow. Ranks concern rows that exist."""
    name = f"{model._meta.app_label}.{action}_{model._meta.model_name}"
    rank = ", and may not change what is above your rank" if action in {"change", "delete"} else ""
    return PermissionDenied(f"You need the permission {name} for this{rank}.")


def errors_of(errors: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the errors of a form with the path of each member."""
    for name, texts in errors.items():
        member = "" if name == NON_FIELD_ERRORS else name
        label = "/".join(filter(None, [path, member])) or "non_field_errors"
        yield label, [str(text) for text in texts]
