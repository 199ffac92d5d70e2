"""Serializers of the API. Only the fields named here are sent."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.api import strict_fields
from integrations.models.card import State
from integrations.models.flows import RunState, SubflowRun
from integrations.models.remote_tables import ColumnType

SECTIONS = ("my", "available")
INITIATOR_URL = (
    "/oauth_initiator.do?oauth_requestor_context=oauth_2_0_credentials"
    "&oauth_requestor=6f1d0c2b9a384e57b0d4c3a2918f7e65&oauth_provider_profile=0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d"
    "&response_type=code&personal=true"
)


def with_example(**fields: Any) -> Any:
    """Decorator that adds an example to the OpenAPI description."""
    return extend_schema_serializer(examples=[OpenApiExample("As it comes", value=fields)])


@with_example(
    id="1c7f0a52de9b4c60a1f3e5d7b9081726",
    alias="northwind",
    name="Northwind CRM",
    section="my",
    state="connected",
    account="amira@northwind.example",
    scopes=["contacts.read"],
    expires_at="2026-11-22T15:30:00Z",
    renews_itself=True,
    sign_in_again_by="2027-02-14T09:12:00Z",
    last_used_at=None,
    initiator_url=INITIATOR_URL,
)
class IntegrationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="alias.hex", help_text="The alias's id, 32 hexadecimal digits.")
    alias = serializers.CharField(source="alias.name")
    name = serializers.CharField(source="title", help_text="What people read on the card.")
    section = serializers.ChoiceField(choices=SECTIONS, help_text="“my”: there is a valid token.")
    state = serializers.ChoiceField(choices=[str(state) for state in State])
    account = serializers.CharField(help_text="The person's account there; empty if the provider doesn't say.")
    scopes = serializers.SerializerMethodField(help_text="The granted scopes.")
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="End of the access token; null if there is none or the provider doesn’t say."
    )
    renews_itself = serializers.BooleanField(
        help_text="Keyrack gets a new access token without the person; if `state` is misconfigured, not_renewed or "
        "provider_down, as soon as that is over."
    )
    sign_in_again_by = serializers.DateTimeField(
        allow_null=True,
        help_text="When the person has to sign in again at the latest: when the refresh token expires, or the access "
        "token if it isn’t renewed. In the past if they have to now; null if unknown. Some providers extend it with "
        "each renewal.",
    )
    last_used_at = serializers.DateTimeField(allow_null=True)
    initiator_url = serializers.CharField(help_text="Path of this site where the person authenticates.")

    def get_scopes(self, integration: Any) -> list[str]:
        return list(integration.token.scopes) if integration.token else []


@with_example(initiator_url=INITIATOR_URL)
class InitiatorUrlSerializer(serializers.Serializer[Any]):
    initiator_url = serializers.CharField(help_text="Path of this site; empty if there is no sign-in.")


@with_example(token_valid=True)
class TokenValidSerializer(serializers.Serializer[Any]):
    token_valid = serializers.BooleanField()


@with_example(
    response_status="SUCCESS",
    expiry_in_seconds=0,
    is_authenticated=False,
    credential_id="6f1d0c2b9a384e57b0d4c3a2918f7e65",
    remote_revocation="pending",
)
class RevokeResultSerializer(serializers.Serializer[Any]):
    response_status = serializers.ChoiceField(choices=["SUCCESS", "FAIL"])
    expiry_in_seconds = serializers.IntegerField()
    is_authenticated = serializers.BooleanField()
    credential_id = serializers.CharField()
    remote_revocation = serializers.CharField(
        help_text="State at the provider: pending, confirmed (it accepted the revocation, which doesn't prove the "
        "token dead), failed, unsupported, superseded, or empty."
    )


class PageSerializer(serializers.Serializer[Any]):
    """Page of a long list."""

    page = serializers.IntegerField(default=1, min_value=1, max_value=1_000_000)
    page_size = serializers.IntegerField(default=100, min_value=1, max_value=500)


class MinimumSecondsSerializer(serializers.Serializer[Any]):
    """How long the token must remain valid."""

    minimum_seconds = serializers.FloatField(default=0, min_value=0, max_value=86_400)


@with_example(access_token="…", token_type="Bearer", expires_in=3540, scope="contacts.read")  # noqa: S106 - not a password
class AccessTokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(allow_null=True, help_text="Seconds; null if the provider doesn't say.")
    scope = serializers.SerializerMethodField()

    def get_scope(self, token: Any) -> str:
        return " ".join(token.scopes)


@with_example(access_token="…")  # noqa: S106 - not a password
class RefusedTokenSerializer(serializers.Serializer[Any]):
    """The access token that the third party refused, or the hexadecimal SHA-256 of it."""

    access_token = strict_fields.Text(max_length=65_536, trim_whitespace=False, write_only=True)


class RemoteTablePageSerializer(serializers.Serializer[Any]):
    page = serializers.IntegerField(default=1, min_value=1, max_value=1_000_000, help_text="From 1.")


class RemoteColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="The key in each row.")
    label = serializers.CharField(help_text="Heading of the column.")  # type: ignore[assignment]  # a field's own
    type = serializers.ChoiceField(choices=ColumnType.values)


class RemoteRowsSerializer(serializers.Serializer[Any]):
    columns = RemoteColumnSerializer(many=True)
    rows = serializers.ListField(
        child=serializers.DictField(allow_null=True),
        help_text=(
            "Values by column name; null if the column’s path found nothing. "
            "Integers beyond ±9007199254740991 (2^53 − 1) are texts, because JavaScript would round them."
        ),
    )
    count = serializers.IntegerField(help_text="Number of all matching rows, not only of this page.")
    next = serializers.CharField(allow_null=True, help_text="URL of the next page; null on the last page.")
    loaded_at = serializers.DateTimeField(help_text="When the rows were read from the third party.")
    limited = serializers.BooleanField(
        help_text="There are or may be more rows than were read: above the row limit, or as the third party says."
    )


class StartSerializer(strict_fields.KnownMembers):
    """Inputs of a run, and whether to wait for it."""

    inputs = serializers.DictField(default=dict, help_text="By name, as the subflow declares them.")
    background = strict_fields.YesOrNo(default=False, help_text="Let a worker run it; read the run later.")


class RunErrorSerializer(serializers.Serializer[Any]):
    """Why the run failed or was cancelled."""

    error = serializers.CharField(source="error_code")
    error_description = serializers.CharField(source="error")
    status = serializers.IntegerField(
        source="http_status",
        allow_null=True,
        help_text="The third party’s status; also 401 if the person has no token for it.",
    )
    initiator_url = serializers.CharField(help_text="Path of this site where the person authenticates, or empty.")


class SubflowRunSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="hex", help_text="32 hexadecimal digits.")
    status = serializers.ChoiceField(choices=RunState.values)
    outputs = serializers.DictField(help_text="By name; empty until the run has succeeded.")
    error = serializers.SerializerMethodField(help_text="Null unless it failed or was cancelled.")

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: SubflowRun) -> Any:
        return RunErrorSerializer(run).data if run.error_code else None
