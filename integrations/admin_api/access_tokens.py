"""API views of a person's permanent tokens and application passwords.

The addresses and members are JetBrains Hub's, as far as Keyrack has them. The caller may do what Account Security
allows them to do for this person.
"""

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access_tokens.models import ApplicationPassword, LongLivedQuerySet, PermanentToken, lock_owner
from accounts.models import User
from integrations.admin_api.admin_requests import AdminRequest
from integrations.admin_api.documents import Document
from integrations.admin_api.people import read_body
from integrations.admin_api.secret_views import OneSecret, ReleaseSecret, Secrets, SecretView, choose_rows
from integrations.admin_api.serializers import DryRunSerializer
from integrations.admin_api.sign_ins import SupervisedView
from integrations.admin_api.token_rules import (
    get_living,
    make_password_for,
    make_token_for,
    passwords_of,
    rotate_token_for,
    tokens_of,
)
from integrations.admin_api.token_serializers import (
    ApplicationPasswordSerializer,
    ListedSecretsSerializer,
    MakeTokenSerializer,
    NameAndScopeSerializer,
    NewApplicationPasswordSerializer,
    NewPermanentTokenSerializer,
    PasswordAppliedSerializer,
    PermanentTokenSerializer,
    PutPasswordSerializer,
    PutTokenSerializer,
    RotateTokenSerializer,
    TokenAppliedSerializer,
)
from integrations.admin_api.views import ENDING, IF_MATCH, IF_NONE_MATCH, change_by, dry_run_in

ROTATE_INSTEAD = (
    "A PUT can’t change a permanent token. POST to …/rotate/ replaces it under its name, with the “scope” and "
    "“expires_in_days” that you name; the old one works for a while longer."
)
MAKE_AGAIN = "A PUT can’t change an application password. Delete it, then make it again."
PUT_DESCRIPTION = (
    "Make it, if there is none of this name; the answer has the secret, this once. Repeating it changes nothing and "
    "shows no secret. 409 with the differences in `changes` if one of this name exists that is not what the body says: "
)
RELEASE_DESCRIPTION = (
    "Let it work again after a restore, if you may make a token for this person. Name it by its id. 409 if it isn’t "
    "held. Your token can release only scopes that it has itself."
)

# Permanent tokens -----------------------------------------------------------------------------------------------------


class TokenView(SecretView):
    may_view = ("accounts.view_permanenttoken",)
    serializer = PermanentTokenSerializer
    secret_name = "token"  # noqa: S105 - the name of a member

    def rows_of(self, person: User) -> LongLivedQuerySet:
        return tokens_of(person)

    def make_secret(self, person: User, body: Document) -> tuple[PermanentToken, str]:
        return make_token_for(person, self.viewer, body, self.address)


@extend_schema_view(
    get=extend_schema(
        operation_id="admin_permanent_tokens_list",
        description="Permanent tokens of a person, the newest first.",
        parameters=[ListedSecretsSerializer],
        responses=PermanentTokenSerializer(many=True),
    ),
    post=extend_schema(
        operation_id="admin_permanent_tokens_create",
        description="Make a permanent token of a person. The answer has the token, this once.",
        parameters=[DryRunSerializer],
        request=MakeTokenSerializer,
        responses={200: NewPermanentTokenSerializer, 201: NewPermanentTokenSerializer},
    ),
)
class PermanentTokens(TokenView, Secrets):
    body = MakeTokenSerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="admin_permanent_tokens_retrieve",
        description="One permanent token of a person, by its id (also a held one) or name (the newest of a rotation).",
        responses=PermanentTokenSerializer,
    ),
    put=extend_schema(
        operation_id="admin_permanent_tokens_put",
        description=f"{PUT_DESCRIPTION}rotate it instead.",
        parameters=[DryRunSerializer, IF_MATCH, IF_NONE_MATCH],
        request=PutTokenSerializer,
        responses={200: TokenAppliedSerializer, 201: TokenAppliedSerializer},
    ),
    delete=extend_schema(
        operation_id="admin_permanent_tokens_delete",
        description="Delete a permanent token. It stops working at once. By its name: also one that is being replaced.",
        **ENDING,
    ),
)
class OnePermanentToken(TokenView, OneSecret):
    body, unchangeable = PutTokenSerializer, ROTATE_INSTEAD


class RotateToken(TokenView):
    @extend_schema(
        operation_id="admin_permanent_tokens_rotate",
        parameters=[DryRunSerializer],
        request=RotateTokenSerializer,
        responses={200: NewPermanentTokenSerializer, 201: NewPermanentTokenSerializer},
    )
    @sensitive_variables("secret")
    def post(self, request: Request, user: str, token: str) -> Response:
        """Replace a permanent token by one with the same name. The old one works for a while longer."""
        person, body, dry_run = self.person(), read_body(RotateTokenSerializer, request), dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            lock_owner(person)
            row = get_living(tokens_of(person), token)
            self.require_scopes(body.get("scope", row.scopes))
            successor, secret = rotate_token_for(row, self.viewer, body, self.address)
        return self.new_secret_response(successor, secret, dry_run=dry_run)


@extend_schema_view(
    post=extend_schema(
        operation_id="admin_permanent_tokens_release",
        description=RELEASE_DESCRIPTION,
        parameters=[DryRunSerializer],
        request=None,
        responses=PermanentTokenSerializer,
    )
)
class ReleaseToken(TokenView, ReleaseSecret):
    """Let a held permanent token work again."""


# Application passwords ------------------------------------------------------------------------------------------------


class PasswordView(SecretView):
    may_view = ("accounts.view_applicationpassword",)
    serializer = ApplicationPasswordSerializer
    secret_name = "password"  # noqa: S105 - the name of a member

    def rows_of(self, person: User) -> LongLivedQuerySet:
        return passwords_of(person)

    def make_secret(self, person: User, body: Document) -> tuple[ApplicationPassword, str]:
        return make_password_for(person, self.viewer, body, self.address)


@extend_schema_view(
    get=extend_schema(
        operation_id="admin_application_passwords_list",
        description="Application passwords of a person, the newest first.",
        parameters=[ListedSecretsSerializer],
        responses=ApplicationPasswordSerializer(many=True),
    ),
    post=extend_schema(
        operation_id="admin_application_passwords_create",
        description="Make an application password of your own. The answer has the password, this once.",
        parameters=[DryRunSerializer],
        request=NameAndScopeSerializer,
        responses={200: NewApplicationPasswordSerializer, 201: NewApplicationPasswordSerializer},
    ),
)
class ApplicationPasswords(PasswordView, Secrets):
    body = NameAndScopeSerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="admin_application_passwords_retrieve",
        description="One application password of a person, by its id or name (a held one: by its id).",
        responses=ApplicationPasswordSerializer,
    ),
    put=extend_schema(
        operation_id="admin_application_passwords_put",
        description=f"{PUT_DESCRIPTION}delete it first. Only of your own.",
        parameters=[DryRunSerializer, IF_MATCH, IF_NONE_MATCH],
        request=PutPasswordSerializer,
        responses={200: PasswordAppliedSerializer, 201: PasswordAppliedSerializer},
    ),
    delete=extend_schema(
        operation_id="admin_application_passwords_delete",
        description="Delete an application password. It stops working at once.",
        **ENDING,
    ),
)
class OneApplicationPassword(PasswordView, OneSecret):
    body, unchangeable = PutPasswordSerializer, MAKE_AGAIN


@extend_schema_view(
    post=extend_schema(
        operation_id="admin_application_passwords_release",
        description=RELEASE_DESCRIPTION,
        parameters=[DryRunSerializer],
        request=None,
        responses=ApplicationPasswordSerializer,
    )
)
class ReleasePassword(PasswordView, ReleaseSecret):
    """Let a held application password work again."""


# Of all people --------------------------------------------------------------------------------------------------------


class SecretsOfAll(SupervisedView):
    """Base of the lists over all people, as the administration shows them."""

    is_paged = True
    page_parameters = ListedSecretsSerializer
    filters = {"user": "user__username"}

    def rows(self, web_request: AdminRequest) -> LongLivedQuerySet:
        return choose_rows(super().rows(web_request).select_related("user"), self.request)

    def get(self, request: Request) -> Response:
        return self.page(request, ("user__username", "-created_at", "pk"))


@extend_schema_view(
    get=extend_schema(
        operation_id="admin_all_permanent_tokens_list",
        description="Permanent tokens of all people, by person.",
        parameters=[ListedSecretsSerializer, OpenApiParameter("user", str)],
        responses=PermanentTokenSerializer(many=True),
    )
)
class AllPermanentTokens(SecretsOfAll):
    model, serializer = PermanentToken, PermanentTokenSerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="admin_all_application_passwords_list",
        description="Application passwords of all people, by person.",
        parameters=[ListedSecretsSerializer, OpenApiParameter("user", str)],
        responses=ApplicationPasswordSerializer(many=True),
    )
)
class AllApplicationPasswords(SecretsOfAll):
    model, serializer = ApplicationPassword, ApplicationPasswordSerializer
