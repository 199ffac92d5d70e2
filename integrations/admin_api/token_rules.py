"""Permanent tokens and application passwords by the forms and rules of Account Security.

For the API and for administrators' commands, whose bodies have the members of `token_serializers`.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import PermissionDenied as Refused
from django.db.models import QuerySet
from django.http import Http404, QueryDict
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import PermissionDenied, ValidationError

from accounts import privileges
from accounts.access_tokens import operations, rotation
from accounts.access_tokens.models import ApplicationPassword, LongLivedQuerySet, PermanentToken
from accounts.models import User
from accounts.security_pages.forms import (
    NEVER,
    ApplicationPasswordForm,
    NewSecretForm,
    TokenForm,
    lifetime_choices,
    normalize_name,
)
from accounts.sign_in import mfa
from integrations.models.registry.aliases import id_in


def tokens_of(person: User) -> LongLivedQuerySet:
    """Return all of a person, also those that have ended."""
    return person.permanent_tokens.select_related("user").order_by("-created_at", "pk")


def passwords_of(person: User) -> LongLivedQuerySet:
    """Return all of a person, also those that have ended."""
    return person.application_passwords.select_related("user").order_by("-created_at", "pk")


def find_rows(rows: QuerySet[Any], reference: str) -> list[Any]:
    """Return the rows with this id or name, the newest first. While a token is rotated, two have its name."""
    if "\0" in reference:
        return []
    row_id = id_in(reference)
    return list(rows.filter(pk=row_id) if row_id else rows.filter(name__iexact=normalize_name(reference)))


def find_held(rows: LongLivedQuerySet, reference: str) -> list[Any]:
    """Return the row with this id, if it is held. A name is that of what works: several of one name may be held."""
    return find_rows(rows.held(), reference) if id_in(reference) else []


def get_living(rows: LongLivedQuerySet, reference: str) -> Any:
    """Return the newest living row with this id or name, or raise 404."""
    living = find_rows(rows.alive(), reference)
    if not living:
        raise Http404
    return living[0]


def get_all_endable(rows: LongLivedQuerySet, reference: str) -> list[Any]:
    """Return the living rows with this id or name, the newest first, else the held one with this id, or raise 404."""
    endable = find_rows(rows.alive(), reference) or find_held(rows, reference)
    if not endable:
        raise Http404
    return endable


def compare_members(row: PermanentToken | ApplicationPassword, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the members of a body that differ from what is stored. The case of a name doesn't matter."""
    stored: dict[str, Any] = {"name": row.name, "scope": sorted(row.scopes)}
    if isinstance(row, PermanentToken):
        stored |= {"expires_in_days": lifetime_in_days(row), "expires_at": row.expires_at}
    requested = {**body, **({"scope": sorted(set(body["scope"]))} if "scope" in body else {})}
    if normalize_name(requested.get("name", row.name)).casefold() == row.name.casefold():
        requested["name"] = row.name
    return [
        {"path": name, "before": stored[name], "after": value}
        for name, value in requested.items()
        if value != stored[name]
    ]


def lifetime_in_days(token: PermanentToken) -> int | None:
    """For how many days the token was made; None without expiry."""
    return round((token.expires_at - token.created_at) / timedelta(days=1)) if token.expires_at else None


def check_new_name(reference: str, body: dict[str, Any]) -> None:
    """Raise an error if nothing of this name can be made at this address."""
    if id_in(reference):
        raise Http404
    if normalize_name(body.get("name", reference)).casefold() != normalize_name(reference).casefold():
        raise ValidationError({"name": ["The address has another name, and nothing of that name exists."]})
    if "scope" not in body:
        raise ValidationError({"scope": ["This field is required."]})
    if "expires_at" in body:
        raise ValidationError({"expires_at": ["It follows from “expires_in_days”."]})


@sensitive_variables("secret")
def make_password_for(
    person: User, maker: User, body: dict[str, Any], address: str = ""
) -> tuple[ApplicationPassword, str]:
    """Make an application password, as the form of Account Security does. Returns the row and the secret."""
    if person.pk != maker.pk:
        raise PermissionDenied("An application password can be made by its owner only.")
    if not mfa.is_on(person):
        raise PermissionDenied("Application passwords need two-step sign-in. Turn it on first.")
    fields = checked_form(ApplicationPasswordForm, body, owner=person, maker=person).cleaned_data
    return operations.make_application_password(person, name=fields["name"], scopes=fields["scopes"], address=address)


@sensitive_variables("secret")
def make_token_for(person: User, maker: User, body: dict[str, Any], address: str = "") -> tuple[PermanentToken, str]:
    """Make a permanent token, as the form of Account Security does. Returns the row and the secret."""
    if refusal := privileges.token_refusal(person, maker):
        raise PermissionDenied(refusal)
    form = checked_form(TokenForm, body, owner=person, maker=maker)
    return operations.make_token(
        person,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=cast(TokenForm, form).expires_at,
        by=maker,
        address=address,
    )


@sensitive_variables("secret")
def rotate_token_for(
    row: PermanentToken, maker: User, body: dict[str, Any], address: str = ""
) -> tuple[PermanentToken, str]:
    """Replace a permanent token. Takes the rights to make one for this person, and to delete this one."""
    if refusal := privileges.token_refusal(row.user, maker):
        raise PermissionDenied(refusal)
    require_deletion(row, maker)
    form = filled_form(TokenForm, {"name": row.name, "scope": row.scopes, **body}, owner=row.user, maker=maker)
    if errors := errors_of_form(form, {"scope", "expires_in_days"} & body.keys()):
        raise ValidationError(errors)
    expires_at = cast(TokenForm, form).expires_at if "expires_in_days" in body else rotation.successor_expiry(row)
    try:
        return rotation.rotate_token(
            row,
            scopes=body.get("scope", row.scopes),
            expires_at=expires_at,
            overlap=timedelta(seconds=body["overlap_seconds"]),
            by=maker,
            address=address,
        )
    except Refused:
        raise PermissionDenied("This token has scopes that you can’t give any more. Name the new one’s.") from None


def require_deletion(row: PermanentToken | ApplicationPassword, viewer: User) -> None:
    kind = str(row._meta.model_name)
    if not privileges.may_delete(kind, row.user, viewer):
        raise PermissionDenied(f"You need the permissions {privileges.MAY_VIEW} and accounts.delete_{kind} for this.")


def end_secret(row: PermanentToken | ApplicationPassword, viewer: User, address: str) -> None:
    require_deletion(row, viewer)
    operations.end_secret(row, who=viewer, address=address)


MEMBERS_OF_FIELDS = {"name": "name", "scopes": "scope", "expires": "expires_in_days"}


def filled_form(form_class: type[NewSecretForm], body: dict[str, Any], **people: User) -> NewSecretForm:
    """Return the form of Account Security, filled in from a body."""
    data = QueryDict(mutable=True)
    days = body.get("expires_in_days", min(settings.PERMANENT_TOKEN_DEFAULT_DAYS, settings.PERMANENT_TOKEN_MAX_DAYS))
    data["expires"] = NEVER if days is None else str(days)
    data["name"] = body["name"]
    data.setlist("scopes", body["scope"])
    return form_class(data, **people)


def errors_of_form(form: NewSecretForm, members: Collection[str]) -> dict[str, list[str]]:
    """Return the errors of a form that are of these members of the body."""
    errors = {
        MEMBERS_OF_FIELDS.get(name, name): [str(error) for error in errors] for name, errors in form.errors.items()
    }
    if "expires" in form.errors:  # whose choices are on the page, and which the form calls otherwise
        offered = ["null" if value == NEVER else value for value, _label in lifetime_choices()]
        errors["expires_in_days"] = [f"This site offers {', '.join(offered)}."]
    return {name: sentences for name, sentences in errors.items() if name in members}


def checked_form(form_class: type[NewSecretForm], body: dict[str, Any], **people: User) -> NewSecretForm:
    """Return the filled-in form of Account Security. Raises `ValidationError`."""
    form = filled_form(form_class, body, **people)
    if not form.is_valid():
        raise ValidationError(errors_of_form(form, {*MEMBERS_OF_FIELDS.values(), *form.fields, NON_FIELD_ERRORS}))
    return form
