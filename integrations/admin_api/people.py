"""Base of the API views of what acts as one person. `me` in the address stands for the caller."""

from typing import Any, cast

from django.http import Http404
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts import privileges, scopes
from accounts.api.permissions import Rights
from accounts.audit import log
from accounts.models import User
from accounts.sign_in.middleware import client_address
from integrations.admin_api.resources import ME, number_in
from integrations.admin_api.views import AdminView


class OfPerson(AdminView):
    """Base of the views of one person's tokens. `may_view`: permissions, any of which allows to look at another's."""

    may_view: tuple[str, ...] = ()

    @property
    def viewer(self) -> User:
        return cast(User, self.request.user)

    def person(self) -> User:
        """Return the person of the address. 404 if there is none, 403 if the caller may not look at their tokens."""
        name = str(self.kwargs["user"])
        user_id = number_in(name)
        if name in (ME, self.viewer.get_username()) or user_id == self.viewer.pk:
            return self.viewer
        if not any(self.viewer.has_perm(permission) for permission in (privileges.MAY_VIEW, *self.may_view)):
            raise PermissionDenied(f"You need the permission {privileges.MAY_VIEW} to see tokens of another person.")
        condition = {"pk": user_id} if user_id else {"username": name}
        person = None if "\0" in name else User.objects.filter(**condition).first()
        if person is None:
            raise Http404
        return person

    def record_look(self, person: User) -> None:
        """Log that an administrator looked at another person's tokens, as Account Security does."""
        if person.pk != self.viewer.pk:
            log.write(log.Kind.LOOKED_AT, whose=person, who=self.viewer, address=client_address(self.request._request))

    def require_scopes(self, names: list[str]) -> None:
        """Raise `PermissionDenied` if the caller's token lacks scopes that it would give to another token."""
        rights = cast("Rights | None", self.request.auth)
        missing = {name for name in names if rights and not scopes.allows_scope(rights.scopes, name)}
        if missing:
            raise PermissionDenied(f"Your token can’t give scopes that it lacks: {', '.join(sorted(missing))}.")


def read_body(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)
