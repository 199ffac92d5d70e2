"""Serializers of rows, made from their kinds. They check names and types; the admin's forms check the values."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.strict_fields import KnownMembers, Text, YesOrNo
from integrations.admin_api.resources import FORM_MEMBERS, Resource
from integrations.provider_setup.configuration.kinds import Column, Kind, Link

AnyField = serializers.Field[Any, Any, Any, Any]
Fields = dict[str, AnyField]
LARGEST = 2**31 - 1


class Whole(serializers.IntegerField):
    """An integer, not as text."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Members(KnownMembers):
    """Unknown members are refused. Read-only ones are accepted, so that an answer can be sent again."""

    def to_representation(self, instance: Any) -> Any:
        """Return documents unchanged: they are complete already."""
        return instance


def row_serializer(resource: Resource) -> type[Members]:
    attributes = {
        name: serializers.CharField(read_only=True, help_text=text) for name, text in resource.attributes.items()
    }
    identifier = serializers.CharField(read_only=True, help_text="Stays the same when the row is renamed.")
    return make_serializer(resource.title, {"id": identifier, **fields_of(resource.kind), **attributes})


def make_serializer(title: str, fields: Mapping[str, Any], base: type[Any] = Members) -> type[Any]:
    return type(f"{title}Serializer", (base,), dict(fields))


def fields_of(kind: Kind) -> Fields:
    fields: Fields = {kind.key: Text(required=False, help_text="Natural key.")}
    fields |= {name: column_field(kind, name, column) for name, column in kind.columns.items() if name != kind.key}
    fields |= {name: link_field(link) for name, link in kind.links.items()}
    fields |= {name: YesOrNo(required=False) for name in kind.switches}
    for name in kind.secrets:
        if name not in kind.hashed:
            fields[name] = Text(required=False, allow_blank=True, trim_whitespace=False, write_only=True)
        fields[f"has_{name}"] = serializers.BooleanField(read_only=True)
    for name in kind.pictures:
        help_text = "PNG or WebP, at most 100 KB, as base64."
        fields[name] = serializers.CharField(required=False, allow_null=True, help_text=help_text)
    for name, link in kind.many.items():
        fields[name] = serializers.ListField(child=link_text(link), required=False)
    for name, (field_class, help_text) in FORM_MEMBERS.get(kind.model, {}).items():
        fields[name] = field_class(required=False, write_only=True, help_text=help_text)
    for child in kind.children:
        title = f"{kind.name.title()}{child.name.title()}Row".replace("_", "")
        help_text = "The complete list: rows that it leaves out are deleted."
        fields[child.name] = make_serializer(title, fields_of(child))(many=True, required=False, help_text=help_text)
    return fields


def column_field(kind: Kind, name: str, column: Column) -> AnyField:
    options: dict[str, Any] = {"required": False, "allow_null": column.null}
    if help_text := str(column.help_text):
        options["help_text"] = help_text
    if name in kind.word_lists:
        return serializers.ListField(child=Text(), **options)
    if isinstance(column, models.JSONField):
        return serializers.JSONField(**options)
    if isinstance(column, models.BooleanField):
        return YesOrNo(**options)
    if isinstance(column, models.IntegerField):
        return Whole(min_value=0, max_value=LARGEST, **options)
    if column.choices:
        options["help_text"] = f"One of: {', '.join(value for value, _label in column.flatchoices if value)}."
    return Text(allow_blank=True, trim_whitespace=False, **options)


def link_field(link: Link) -> AnyField:
    if len(link.names) == 1 or link.separator:
        return Text(required=False, allow_null=True, help_text=f"{link.model._meta.verbose_name}, by name.")
    names = {name: Text() for name in link.names}
    title = f"{link.model.__name__}Key"
    serializer = make_serializer(title, names)
    return cast(AnyField, serializer(required=False, allow_null=True))


def link_text(link: Link) -> Text:
    example = "app.codename" if link.separator else "name"
    return Text(help_text=f"{link.model._meta.verbose_name}: {example}.")


@extend_schema_field({})
class AnyValue(serializers.JSONField):
    """A value of any type."""


class ChangeSerializer(serializers.Serializer[Any]):
    """One difference. Of a secret only that it changed."""

    path = serializers.CharField(help_text="Member, or list, natural key and member; empty for the row itself.")
    before = AnyValue(allow_null=True)
    after = AnyValue(allow_null=True)


class DryRunAnswerSerializer(serializers.Serializer[Any]):
    """The answer to the dry run of an end. Without `dry_run`, there is none (204)."""

    created = serializers.BooleanField(source="is_new")
    changes = ChangeSerializer(many=True)
    warnings = serializers.ListField(child=serializers.CharField())
    result = AnyValue(source="document", allow_null=True)


def applied_fields(serializer: type[Any]) -> Fields:
    return {
        "created": serializers.BooleanField(source="is_new"),
        "changes": ChangeSerializer(many=True),
        "warnings": serializers.ListField(child=serializers.CharField(), help_text="What the admin would point out."),
        "result": serializer(source="document", allow_null=True, help_text="Null after a deletion."),
    }


def applied_serializer(resource: Resource, serializer: type[Any]) -> type[Any]:
    """Return the serializer of a write's result."""
    fields = applied_fields(serializer)
    if resource.kind.hashed:
        help_text = "Of a new confidential application, this once. Empty otherwise."
        fields["client_secret"] = serializers.CharField(help_text=help_text)
    return make_serializer(f"{resource.title}Applied", fields, serializers.Serializer)


class DryRunSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(default=False, help_text="Answer what would change, and change nothing.")


def paths_of(errors: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the errors of nested serializers as one level, with paths."""
    items = errors.items() if isinstance(errors, dict) else enumerate(errors)
    for name, inner in items:
        label = f"{path}/{name}" if path else str(name)
        if isinstance(inner, dict) or (
            isinstance(inner, list) and any(isinstance(each, dict | list) for each in inner)
        ):
            yield from paths_of(inner, label)
        elif inner:
            yield label, [str(text) for text in (inner if isinstance(inner, list) else [inner])]
