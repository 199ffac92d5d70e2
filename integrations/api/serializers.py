"""What the REST API says, field by field. Nothing that is not named here leaves."""

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


def example(**fields: Any) -> Any:
    """An answer as it comes, for whoever reads the description."""
    return extend_schema_serializer(examples=[OpenApiExample("As it comes", value=fields)])


@example(
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
    account = serializers.CharField(help_text="Whom the person is signed in as there; empty if not told.")
    scopes = serializers.SerializerMethodField(help_text="What was granted.")
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="End of the access token; null if there is none or the provider doesn’t say."
    )
    renews_itself = serializers.BooleanField(
        help_text="A new access token is got without the person; where `state` is misconfigured, not_renewed or "
        "provider_down, as soon as that has ended."
    )
    sign_in_again_by = serializers.DateTimeField(
        allow_null=True,
        help_text="When the person has to sign in again at the latest: the refresh token’s end, or the access token’s "
        "where nothing renews it. In the past if they have to now; null if not known. Some providers move it with each "
        "renewal.",
    )
    last_used_at = serializers.DateTimeField(allow_null=True)
    initiator_url = serializers.CharField(help_text="Where the person authenticates, as a path of this site.")

    def get_scopes(self, integration: Any) -> list[str]:
        return list(integration.token.scopes) if integration.token else []


@example(initiator_url=INITIATOR_URL)
class InitiatorUrlSerializer(serializers.Serializer[Any]):
    initiator_url = serializers.CharField(help_text="A path of this site; empty where nobody can sign in.")


@example(token_valid=True)
class TokenValidSerializer(serializers.Serializer[Any]):
    token_valid = serializers.BooleanField()


@example(
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
        help_text="What the provider has done: pending, confirmed (it accepted the revocation; that does not prove the "
        "token dead), failed, unsupported, superseded, or empty."
    )


class PageSerializer(serializers.Serializer[Any]):
    """Which part of a long list."""

    page = serializers.IntegerField(default=1, min_value=1, max_value=1_000_000)
    page_size = serializers.IntegerField(default=100, min_value=1, max_value=500)


class MinimumSecondsSerializer(serializers.Serializer[Any]):
    """For how long the caller needs the token."""

    minimum_seconds = serializers.FloatField(default=0, min_value=0, max_value=86_400)


@example(access_token="…", token_type="Bearer", expires_in=3540, scope="contacts.read")  # noqa: S106 - none
class AccessTokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(allow_null=True, help_text="Seconds; null when the provider doesn't say.")
    scope = serializers.SerializerMethodField()

    def get_scope(self, token: Any) -> str:
        return " ".join(token.scopes)


class RemoteTablePageSerializer(serializers.Serializer[Any]):
    page = serializers.IntegerField(default=1, min_value=1, max_value=1_000_000, help_text="From 1.")


class RemoteColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="The key in each row.")
    label = serializers.CharField(help_text="What people read above the column.")  # type: ignore[assignment]  # a field's own
    type = serializers.ChoiceField(choices=ColumnType.values)


class RemoteRowsSerializer(serializers.Serializer[Any]):
    columns = RemoteColumnSerializer(many=True)
    rows = serializers.ListField(
        child=serializers.DictField(allow_null=True),
        help_text="Each with a value for each column’s name; null where nothing was found.",
    )
    count = serializers.IntegerField(help_text="Of all rows found, not of this page.")
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null at the end.")
    loaded_at = serializers.DateTimeField(help_text="When the third party was asked.")
    limited = serializers.BooleanField(help_text="There are more rows than the table reads.")


class StartSerializer(serializers.Serializer[Any]):
    """What a subflow is given, and whether to wait for it."""

    inputs = serializers.DictField(default=dict, help_text="By name, as the subflow declares them.")
    background = strict_fields.YesOrNo(default=False, help_text="Have a worker run it; ask for the run later.")


class RunErrorSerializer(serializers.Serializer[Any]):
    """Why it failed or was cancelled."""

    error = serializers.CharField(source="error_code")
    error_description = serializers.CharField(source="error")
    status = serializers.IntegerField(
        source="http_status",
        allow_null=True,
        help_text="What the third party answered; 401 also where the person has no token for it.",
    )
    initiator_url = serializers.CharField(help_text="Where the person authenticates, as a path of this site; or empty.")


class SubflowRunSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="hex", help_text="32 hexadecimal digits.")
    status = serializers.ChoiceField(choices=RunState.values)
    outputs = serializers.DictField(help_text="By name; empty until it has succeeded.")
    error = serializers.SerializerMethodField(help_text="Null unless it failed or was cancelled.")

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: SubflowRun) -> Any:
        return RunErrorSerializer(run).data if run.error_code else None
