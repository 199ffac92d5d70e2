"""Serializers of what acts as a person. Only answers to its creation have a secret."""

from typing import Any

from rest_framework import serializers

from accounts.access_tokens.rotation import DEFAULT_OVERLAP, LONGEST_OVERLAP
from accounts.api.strict_fields import Text
from integrations.admin_api.serializers import Members, Whole, applied_fields, make_serializer
from integrations.api.serializers import PageSerializer, with_example


class SecretSerializer(serializers.Serializer[Any]):
    """Members that tokens and passwords share."""

    id = serializers.CharField(source="hex", help_text="32 hexadecimal digits.")
    name = serializers.CharField()
    scope = serializers.ListField(child=serializers.CharField(), source="scopes")
    user = serializers.CharField(source="user.username")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_from = serializers.CharField(help_text="Network address of the last use, or empty.")
    is_held = serializers.BooleanField(help_text="It doesn’t work after a restore, until it is released.")


TOKEN_EXAMPLE = {
    "id": "1c7f0a52de9b4c60a1f3e5d7b9081726", "name": "nightly-report", "scope": ["integrations:read"],
    "user": "report-bot", "created_at": "2026-11-22T15:30:00Z", "last_used_at": None, "last_used_from": "",
    "is_held": False, "begins_with": "krk_pt_3fX9aQ2b", "created_by": "admin",
    "expires_at": "2027-02-20T15:30:00Z",
}  # fmt: skip


@with_example(**TOKEN_EXAMPLE)
class PermanentTokenSerializer(SecretSerializer):
    begins_with = serializers.CharField(source="beginning", help_text="The public part, to recognize it by.")
    created_by = serializers.CharField(source="created_by_name", help_text="Username.")
    expires_at = serializers.DateTimeField(allow_null=True)


class NewPermanentTokenSerializer(PermanentTokenSerializer):
    token = serializers.CharField(help_text="The token itself, in this answer only.")


class ApplicationPasswordSerializer(SecretSerializer):
    """An application password. Never the password itself."""


class NewApplicationPasswordSerializer(ApplicationPasswordSerializer):
    password = serializers.CharField(help_text="The password itself, in this answer only.")


class ClientSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="client_id", help_text="Client ID.")
    name = serializers.CharField()


class RefreshTokenSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="family.hex", help_text="Of the token family; stays the same when it is renewed.")
    client = ClientSerializer(source="application")
    scope = serializers.ListField(child=serializers.CharField(), source="scope_names")
    created_at = serializers.DateTimeField(source="since")
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class ApprovedScopesSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="application.client_id", help_text="Client ID of the application.")
    client = ClientSerializer(source="application")
    scope = serializers.ListField(child=serializers.CharField(), source="scope_names")
    created_at = serializers.DateTimeField(source="since")
    last_used_at = serializers.DateTimeField(allow_null=True)


class ListedSecretsSerializer(PageSerializer):
    is_held = serializers.BooleanField(
        default=False, help_text="`true`: those that are held after a restore, instead of those that work."
    )


class NameAndScopeSerializer(Members):
    name = Text(max_length=100)
    scope = serializers.ListField(child=Text(), help_text="Scopes that both you and the person have.")


class LifetimeSerializer(Members):
    expires_in_days = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=100_000,
        help_text="One of the lifetimes that Account Security offers; null for no expiry, if this site allows that.",
    )


class MakeTokenSerializer(LifetimeSerializer, NameAndScopeSerializer):
    """A new permanent token."""


class RotateTokenSerializer(LifetimeSerializer):
    """How to replace a permanent token. Without `expires_in_days`, the new one lives as long as the old one did."""

    scope = serializers.ListField(
        child=Text(), required=False, help_text="Of the new token; without it, those of the old one."
    )
    overlap_seconds = Whole(
        default=int(DEFAULT_OVERLAP.total_seconds()),
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="How long the old token still works; 0 ends it at once.",
    )


class PutPasswordSerializer(Members):
    """An application password that is to exist. An answer can be sent again: its read-only members are ignored."""

    name = Text(max_length=100, required=False, help_text="As in the address.")
    scope = serializers.ListField(child=Text(), required=False, help_text="Needed for a new one.")
    id = serializers.CharField(read_only=True)
    user = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True)
    last_used_from = serializers.CharField(read_only=True)
    is_held = serializers.BooleanField(read_only=True)


class PutTokenSerializer(PutPasswordSerializer, LifetimeSerializer):
    """A permanent token that is to exist."""

    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="As an answer has it. For a new token, send `expires_in_days`."
    )
    begins_with = serializers.CharField(read_only=True)
    created_by = serializers.CharField(read_only=True)


def applied_secret_serializer(title: str, serializer: type[SecretSerializer], name: str) -> type[Any]:
    """Return the serializer of the answer to a PUT. `name`: of the member with the secret."""
    secret = serializers.CharField(help_text="The secret itself, if this request made it. Empty otherwise.")
    return make_serializer(title, {**applied_fields(serializer), name: secret}, serializers.Serializer)


TokenAppliedSerializer = applied_secret_serializer("PermanentTokenApplied", PermanentTokenSerializer, "token")
PasswordAppliedSerializer = applied_secret_serializer(
    "ApplicationPasswordApplied", ApplicationPasswordSerializer, "password"
)
