"""Fields of an admin page that can't be changed: records that they refer to are links for who may open them."""

from typing import Any

from django import template
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.fields.related import ForeignKey
from django.template.context import Context

from accounts import privileges

register = template.Library()


@register.simple_tag(takes_context=True)
def readonly_contents(context: Context, field: Any) -> str:
    """What Django shows, but for its link to the page of another record, which may be refused."""
    other = record_referred_to(field)
    if other is None or privileges.may_view(context["user"], type(other)):
        return str(field.contents())
    return str(other)


def record_referred_to(field: Any) -> Model | None:
    """The record that a field of `AdminReadonlyField` refers to by a foreign key."""
    try:
        column, _attribute, value = lookup_field(field.field["field"], field.form.instance, field.model_admin)
    except (AttributeError, ValueError, FieldDoesNotExist):
        return None
    return value if isinstance(column, ForeignKey) and isinstance(value, Model) else None
