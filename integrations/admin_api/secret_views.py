"""Base of the API views of permanent tokens and of application passwords, which Keyrack shows once."""

from typing import Any, ClassVar, cast

from django.http import Http404
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import privileges
from accounts.access_tokens import holds
from accounts.access_tokens.models import LongLivedQuerySet, PermanentToken, lock_owner
from accounts.models import User
from accounts.sign_in.middleware import client_address
from integrations.admin_api.documents import Document, etag_of
from integrations.admin_api.errors import Conflict, Unchangeable
from integrations.admin_api.people import OfPerson, read_body
from integrations.admin_api.token_rules import (
    check_new_name,
    compare_members,
    end_secret,
    find_held,
    find_rows,
    get_all_endable,
)
from integrations.admin_api.token_serializers import (
    ListedSecretsSerializer,
    NameAndScopeSerializer,
    PutPasswordSerializer,
    SecretSerializer,
)
from integrations.admin_api.views import NO_STORE, change_by, check_preconditions, dry_run_in, ended_response
from integrations.api.views import page_response

USAGE = ("last_used_at", "last_used_from")  # not part of the ETag: a use is no change
LIKE_MAKING = "To let it work again gives access, as making one does."
DOES_NOT_WORK = "It doesn’t work now: its creator is deactivated, or lacks rights that the owner has. Make a new one."


class SecretView(OfPerson):
    """Base of the views of permanent tokens, or of application passwords."""

    serializer: type[SecretSerializer]
    secret_name: ClassVar[str]  # the member of an answer that has the secret

    @property
    def address(self) -> str:
        return client_address(self.request._request)

    def rows_of(self, person: User) -> LongLivedQuerySet:
        """The person's rows, the newest first, also those that have ended."""
        raise NotImplementedError

    def make_secret(self, person: User, body: Document) -> tuple[Any, str]:
        """Make one by the rules of Account Security. Returns the row and the secret."""
        raise NotImplementedError

    @sensitive_variables("secret", "members")
    def new_secret_response(self, row: Any, secret: str, *, dry_run: bool) -> Response:
        """Return the answer with a new secret. After a dry run, neither the secret nor the row exists."""
        members = {self.secret_name: "", "id": ""} if dry_run else {self.secret_name: secret}
        return Response({**self.serializer(row).data, **members}, status=200 if dry_run else 201, headers=NO_STORE)


class Secrets(SecretView):
    """Base of the lists."""

    is_paged = True
    page_parameters = ListedSecretsSerializer
    body: type[NameAndScopeSerializer]

    def get(self, request: Request, user: str) -> Response:
        person = self.person()
        self.record_look(person)
        rows = choose_rows(self.rows_of(person), request)
        response = page_response(request, cast(Any, rows), self.serializer)
        response["Cache-Control"] = NO_STORE["Cache-Control"]
        return response

    @sensitive_variables("secret")
    def post(self, request: Request, user: str) -> Response:
        person, body, dry_run = self.person(), read_body(self.body, request), dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            lock_owner(person)
            self.require_scopes(body["scope"])
            row, secret = self.make_secret(person, body)
        return self.new_secret_response(row, secret, dry_run=dry_run)


class OneSecret(SecretView):
    """Base of the addresses of one row, named by its id or its name."""

    body: type[PutPasswordSerializer]
    unchangeable: ClassVar[str]  # what to do instead of a PUT that would change something

    @property
    def reference(self) -> str:
        return str(self.kwargs[self.secret_name])

    def get(self, request: Request, **_names: str) -> Response:
        person = self.person()
        self.record_look(person)
        document = self.serializer(get_all_endable(self.rows_of(person), self.reference)[0]).data
        return Response(document, headers={**NO_STORE, "ETag": etag_of_secret(document)})

    @sensitive_variables("secret")
    def put(self, request: Request, **_names: str) -> Response:
        person, body, dry_run = self.person(), read_body(self.body, request), dry_run_in(request)
        secret = ""
        with change_by(request, dry_run=dry_run):
            lock_owner(person)
            row: Any = next(iter(find_rows(self.rows_of(person).alive(), self.reference)), None)
            is_new = row is None
            check_preconditions(request, None if is_new else etag_of_secret(self.serializer(row).data))
            if is_new:
                check_new_name(self.reference, body)
                self.require_scopes(body["scope"])
                row, secret = self.make_secret(person, {**body, "name": body.get("name", self.reference)})
        if not is_new:
            self.record_look(person)
            if changes := compare_members(row, body):
                raise Unchangeable(changes, self.unchangeable)
        return self.applied_response(row, secret, is_new=is_new, dry_run=dry_run)

    @sensitive_variables("secret", "answer")
    def applied_response(self, row: Any, secret: str, *, is_new: bool, dry_run: bool) -> Response:
        document = {**self.serializer(row).data, **({"id": ""} if is_new and dry_run else {})}
        settled = [name for name in ("name", "scope", "user", "created_by", "expires_at") if name in document]
        changes = [{"path": name, "before": None, "after": document[name]} for name in settled]
        answer = {
            "created": is_new,
            "changes": changes if is_new else [],
            "warnings": warnings_about(row),
            "result": document,
            self.secret_name: "" if dry_run else secret,
        }
        headers = {**NO_STORE, "ETag": etag_of_secret(document)}
        return Response(answer, status=201 if is_new and not dry_run else 200, headers=headers)

    def delete(self, request: Request, **_names: str) -> Response:
        person, dry_run = self.person(), dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            rows = get_all_endable(self.rows_of(person), self.reference)
            documents = [self.serializer(row).data for row in rows]
            check_preconditions(request, etag_of_secret(documents[0]))
            for row in rows:
                end_secret(row, self.viewer, self.address)
        return ended_response(*documents, dry_run=dry_run)


class ReleaseSecret(SecretView):
    """Base of the addresses that let a held row work again."""

    def post(self, request: Request, **_names: str) -> Response:
        person, dry_run = self.person(), dry_run_in(request)
        if not privileges.may_release(person, self.viewer):
            raise PermissionDenied(f"{LIKE_MAKING} {privileges.token_refusal(person, self.viewer)}")
        with change_by(request, dry_run=dry_run):
            lock_owner(person)
            row = self.get_held(person)
            self.require_scopes(row.scopes)
            holds.release_row(row, who=self.viewer, address=self.address)
            row.refresh_from_db()
        return Response(self.serializer(row).data, headers=NO_STORE)

    def get_held(self, person: User) -> Any:
        """Return the row of the address, which only its id names. 409 if it isn't held."""
        rows, reference = self.rows_of(person), str(self.kwargs[self.secret_name])
        if held_rows := find_held(rows, reference):
            return held_rows[0]
        if find_rows(rows.alive(), reference):
            raise Conflict("It isn’t held. A held one is named by its id only.")
        raise Http404


def choose_rows(rows: LongLivedQuerySet, request: Request) -> LongLivedQuerySet:
    """Return those that are alive, or those that are held, as the query says."""
    parameters = ListedSecretsSerializer(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    return rows.held() if parameters.validated_data["is_held"] else rows.alive()


def etag_of_secret(document: Any) -> str:
    return etag_of({name: value for name, value in document.items() if name not in USAGE})


def warnings_about(row: Any) -> list[str]:
    if not isinstance(row, PermanentToken) or row.is_own:
        return []
    return [DOES_NOT_WORK] if privileges.weaker_makers(row.user, {row.created_by}) else []
