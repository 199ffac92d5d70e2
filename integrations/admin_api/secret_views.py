"""Base of the API views of permanent tokens and of application passwords, which Keyrack shows once."""

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import privileges
from accounts.access_tokens.models import PermanentToken, lock_owner
from accounts.models import User
from accounts.sign_in.middleware import client_address
from integrations.admin_api.documents import Document, etag_of
from integrations.admin_api.errors import Unchangeable
from integrations.admin_api.people import OfPerson, read_body
from integrations.admin_api.token_rules import (
    check_new_name,
    compare_members,
    end_secret,
    find_living,
    get_all_living,
    get_living,
)
from integrations.admin_api.token_serializers import NameAndScopeSerializer, PutPasswordSerializer, SecretSerializer
from integrations.admin_api.views import NO_STORE, change_by, check_preconditions, dry_run_in, ended_response
from integrations.api.views import page_response

USAGE = ("last_used_at", "last_used_from")  # not part of the ETag: a use is no change
DOES_NOT_WORK = "It doesn’t work now: its creator is deactivated, or lacks rights that the owner has. Make a new one."


class SecretView(OfPerson):
    """Base of the views of permanent tokens, or of application passwords."""

    serializer: type[SecretSerializer]
    secret_name: ClassVar[str]  # the member of an answer that has the secret

    @property
    def address(self) -> str:
        return client_address(self.request._request)

    def rows_of(self, person: User) -> QuerySet[Any]:
        """The person's living rows, the newest first."""
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
    body: type[NameAndScopeSerializer]

    def get(self, request: Request, user: str) -> Response:
        person = self.person()
        self.record_look(person)
        response = page_response(request, cast(Any, self.rows_of(person)), self.serializer)
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
        document = self.serializer(get_living(self.rows_of(person), self.reference)).data
        return Response(document, headers={**NO_STORE, "ETag": etag_of_secret(document)})

    @sensitive_variables("secret")
    def put(self, request: Request, **_names: str) -> Response:
        person, body, dry_run = self.person(), read_body(self.body, request), dry_run_in(request)
        secret = ""
        with change_by(request, dry_run=dry_run):
            lock_owner(person)
            row: Any = next(iter(find_living(self.rows_of(person), self.reference)), None)
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
            rows = get_all_living(self.rows_of(person), self.reference)
            documents = [self.serializer(row).data for row in rows]
            check_preconditions(request, etag_of_secret(documents[0]))
            for row in rows:
                end_secret(row, self.viewer, self.address)
        return ended_response(*documents, dry_run=dry_run)


def etag_of_secret(document: Any) -> str:
    return etag_of({name: value for name, value in document.items() if name not in USAGE})


def warnings_about(row: Any) -> list[str]:
    if not isinstance(row, PermanentToken) or row.is_own:
        return []
    return [DOES_NOT_WORK] if privileges.weaker_makers(row.user, {row.created_by}) else []
