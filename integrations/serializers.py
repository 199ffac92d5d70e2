"""What the REST API says, field by field. Nothing that is not named here leaves."""

from typing import Any

from rest_framework import serializers

from integrations.models.integration import State

SECTIONS = ("my", "available")


class IntegrationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="alias.hex", help_text="The alias's id, 32 hexadecimal digits.")
    alias = serializers.CharField(source="alias.name")
    name = serializers.CharField(source="title", help_text="What people read on the card.")
    section = serializers.ChoiceField(choices=SECTIONS, help_text="“my”: there is a valid token.")
    state = serializers.ChoiceField(choices=[str(state) for state in State])
    account = serializers.CharField(help_text="Whom the person is signed in as there; empty if not told.")
    scopes = serializers.SerializerMethodField(help_text="What was granted.")
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    initiator_url = serializers.CharField(help_text="Where the person authenticates, as a path of this site.")

    def get_scopes(self, integration: Any) -> list[str]:
        return list(integration.token.scopes) if integration.token else []


class InitiatorUrlSerializer(serializers.Serializer[Any]):
    initiator_url = serializers.CharField(help_text="A path of this site; empty where nobody can sign in.")


class TokenValidSerializer(serializers.Serializer[Any]):
    token_valid = serializers.BooleanField()


class RevokeResultSerializer(serializers.Serializer[Any]):
    response_status = serializers.ChoiceField(choices=["SUCCESS", "FAIL"])
    expiry_in_seconds = serializers.IntegerField()
    is_authenticated = serializers.BooleanField()
    credential_id = serializers.CharField()
    remote_revocation = serializers.CharField(
        help_text="What the provider has done: pending, confirmed, failed, unsupported, superseded, or empty."
    )


class MinimumSecondsSerializer(serializers.Serializer[Any]):
    """For how long the caller needs the token."""

    minimum_seconds = serializers.FloatField(default=0, min_value=0, max_value=86_400)


class AccessTokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(allow_null=True, help_text="Seconds; null when the provider doesn't say.")
    scope = serializers.SerializerMethodField()

    def get_scope(self, token: Any) -> str:
        return " ".join(token.scopes)


class ErrorSerializer(serializers.Serializer[Any]):
    error = serializers.CharField()
    error_description = serializers.CharField()
