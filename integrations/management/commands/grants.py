"""`grants list|end`: application passwords, refresh tokens and approved scopes of a person from the command line."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rest_framework.exceptions import APIException

from accounts.audit import log
from accounts.models import User
from accounts.oauth_server import grants
from integrations.admin_api.grants import require_right_to_end
from integrations.admin_api.token_rules import end_secret, passwords_of
from integrations.api.errors import error_sentence
from integrations.management.commands.people import REFUSED, get_user

KINDS = ("applicationpasswords", "refreshtokens", "approvedscopes")
Line = tuple[str, str, list[str], Callable[[User], None]]  # id, name, scopes, how it ends


class Command(BaseCommand):
    help = (
        "List what programs hold for a person, or end one of it. Ended in the name of --by, by default of the person; "
        "the rules of Account Security hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["list", "end"])
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("username", help="Whose.")
        parser.add_argument("id", nargs="?", help="end: the id, as list prints it.")
        parser.add_argument("--by", metavar="ADMIN", help="Username of the administrator.")
        parser.add_argument("--dry-run", action="store_true", help="Check it, and change nothing.")

    def handle(self, *_args: Any, verb: str, kind: str, username: str, id: str | None, **options: Any) -> None:
        person = get_user(username)
        administrator = person if options["by"] is None else get_user(options["by"])
        if (id is None) != (verb == "list"):
            message = "Name what to end by its id." if verb == "end" else "grants list takes no id."
            raise CommandError(message, returncode=REFUSED)
        lines = {line[0]: line for line in lines_of(kind, person)}
        if verb == "list":
            for line_id, name, scopes, _end in lines.values():
                self.stdout.write("\t".join([line_id, name, " ".join(scopes)]))
            return
        if id not in lines:
            raise CommandError(f"{username} has no “{id}” among {kind}. Nothing was changed.", returncode=REFUSED)
        try:
            with transaction.atomic(), log.attributed_to(administrator, ""):
                lines[id][-1](administrator)
                transaction.set_rollback(options["dry_run"])
        except APIException as error:
            raise CommandError(f"{error_sentence(error)} Nothing was changed.", returncode=REFUSED) from None
        self.stdout.write("It would be ended" if options["dry_run"] else "Ended")


def lines_of(kind: str, person: User) -> Iterator[Line]:
    """Yield what a person has of a kind."""
    if kind == "applicationpasswords":
        for row in passwords_of(person).alive():
            yield row.hex, row.name, row.scopes, partial(end_secret, row, address="")
    elif kind == "refreshtokens":
        for token in grants.load_grants(person).refresh_tokens:
            yield token.family.hex, token.name, token.scope_names, partial(end_token, person, token)
    else:
        for approved in grants.load_grants(person).approved_scopes:
            client_id = str(approved.application.client_id)
            yield client_id, approved.name, approved.scope_names, partial(end_approved, person, approved)


def end_token(person: User, token: grants.RefreshTokenGrant, by: User) -> None:
    require_right_to_end(person, by)
    grants.end_refresh_tokens(person, [token], who=by, address="")


def end_approved(person: User, approved: grants.ApprovedApplication, by: User) -> None:
    require_right_to_end(person, by)
    grants.end_approved(person, approved, who=by, address="")
