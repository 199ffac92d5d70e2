"""Links to pages of records, as plain text for administrators who may not open them."""

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import privileges
from accounts.current_user import NoCurrentUser, current_user
from accounts.models import User


def record_link(row: Model, text: str = "", *, html_id: str = "") -> SafeString:
    """The row's name, or the text, with a link to its page if the current user may view such rows."""
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return link_or_text(address, text or str(row), allowed=may_view_now(type(row)), html_id=html_id)


def security_link(user: User) -> SafeString:
    """The user's name, with a link to their Account Security if the current user may see it."""
    address = reverse("accounts:security-of", args=[user.pk])
    return link_or_text(address, user.get_username(), allowed=has_now(privileges.MAY_VIEW))


def link_or_text(address: str, text: str, *, allowed: bool, html_id: str = "") -> SafeString:
    if not allowed:
        return format_html("{}", text)
    return format_html('<a href="{}"{}>{}</a>', address, format_html(' id="{}"', html_id) if html_id else "", text)


def may_view_now(model: type[Model]) -> bool:
    try:
        return privileges.may_view(current_user(), model)
    except NoCurrentUser:
        return False


def has_now(*permissions: str) -> bool:
    try:
        return current_user().has_perms(permissions)
    except NoCurrentUser:
        return False
