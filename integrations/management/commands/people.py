"""`people list|create|change|activate|deactivate|delete`: the admin's forms and rules from the command line."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rest_framework.exceptions import APIException

from accounts.audit import log
from accounts.models import User
from integrations.admin_api.admin_requests import AdminRequest
from integrations.admin_api.apply import delete_row, write_row
from integrations.admin_api.resources import PEOPLE
from integrations.api.errors import error_sentence

REFUSED = 1


NAMES = ("email", "first_name", "last_name", "groups", "owners", "is_bot", "is_staff", "is_superuser")


class Command(BaseCommand):
    help = (
        "List people, create one without a password, change or delete one, or turn an account on or off. Changes are "
        "made in the name of the administrator --by, who needs the same permissions and rank as in the admin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["list", "create", "change", "activate", "deactivate", "delete"])
        parser.add_argument("username", nargs="?", help="Not for list.")
        parser.add_argument("--by", metavar="ADMIN", help="Username of the administrator. Not for list.")
        parser.add_argument("--email")
        parser.add_argument("--first-name")
        parser.add_argument("--last-name")
        parser.add_argument("--group", action="append", dest="groups", help="May be repeated: the complete list.")
        parser.add_argument("--owner", action="append", dest="owners", help="Of a bot. May be repeated, like --group.")
        parser.add_argument("--bot", action=BooleanOptionalAction, dest="is_bot")
        parser.add_argument("--staff", action=BooleanOptionalAction, dest="is_staff")
        parser.add_argument("--superuser", action=BooleanOptionalAction, dest="is_superuser")
        parser.add_argument("--dry-run", action="store_true", help="Say what would change, and change nothing.")

    def handle(self, *_args: Any, verb: str, username: str | None, by: str | None, **options: Any) -> None:
        if verb == "list":
            if username:
                raise CommandError("people list takes no name: it lists everyone.", returncode=REFUSED)
            self.list_people()
            return
        if not username or not by:
            raise CommandError("Name the person, and the administrator by --by.", returncode=REFUSED)
        administrator = get_user(by)
        request = AdminRequest(administrator)
        row = PEOPLE.rows(request, None).filter(username=username).first()
        if (row is None) != (verb == "create"):
            state = "exists already" if row else "doesn’t exist"
            raise CommandError(f"“{username}” {state}. Nothing was changed.", returncode=REFUSED)
        try:
            with transaction.atomic(), log.attributed_to(administrator, ""):
                if verb == "delete":
                    applied = delete_row(PEOPLE, request, row)
                else:
                    applied = write_row(PEOPLE, request, row, members_for(verb, username, options))
                transaction.set_rollback(options["dry_run"])
        except APIException as error:
            raise CommandError(f"{error_sentence(error)} Nothing was changed.", returncode=REFUSED) from None
        for change in applied.changes if verb != "delete" else []:
            self.stdout.write(f"{change['path']}: {change['before']} → {change['after']}")
        for warning in applied.warnings:
            self.stdout.write(warning)
        self.stdout.write(f"{len(applied.changes)} changes" if applied.changes else "Nothing to change")

    def list_people(self) -> None:
        for user in User.objects.order_by("username").prefetch_related("groups"):
            groups = ", ".join(sorted(group.name for group in user.groups.all()))
            kind = (
                "bot" if user.is_bot else "superuser" if user.is_superuser else "staff" if user.is_staff else "person"
            )
            state = "active" if user.is_active else "deactivated"
            self.stdout.write("\t".join([user.get_username(), user.email, kind, state, groups]))


def members_for(verb: str, username: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a person that a verb writes, as the API takes them."""
    if verb in ("activate", "deactivate"):
        return {"is_active": verb == "activate"}
    return {"username": username} | {name: options[name] for name in NAMES if options[name] is not None}


def get_user(username: str) -> User:
    """Return the user of this name. Raises `CommandError`."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user “{username}”. Nothing was changed.", returncode=REFUSED)
    return user
