"""`permanent_tokens list|make|rotate|delete`: the rules of Account Security from the command line."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.http import Http404
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import APIException

from accounts.access_tokens.models import PermanentToken, lock_owner
from accounts.access_tokens.rotation import DEFAULT_OVERLAP, LONGEST_OVERLAP
from accounts.audit import log
from accounts.models import User
from integrations.admin_api.token_rules import (
    end_secret,
    get_all_endable,
    get_living,
    make_token_for,
    rotate_token_for,
    tokens_of,
)
from integrations.api.errors import error_sentence
from integrations.management.commands.people import REFUSED, get_user


class Command(BaseCommand):
    help = (
        "List, make, rotate or delete permanent tokens of a person. A new token is printed once, alone on standard "
        "output. Changes are made in the name of --by, by default of the person; the rules of Account Security hold."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["list", "make", "rotate", "delete"])
        parser.add_argument("username", help="Whose tokens.")
        parser.add_argument("token", nargs="?", help="make: its name. rotate, delete: its id or name.")
        parser.add_argument("--by", metavar="ADMIN", help="Username of the administrator.")
        parser.add_argument("--scope", action="append", dest="scopes", help="make, rotate: may be repeated.")
        lifetime = parser.add_mutually_exclusive_group()
        lifetime.add_argument("--days", type=int, help="make, rotate: lifetime, as Account Security offers it.")
        lifetime.add_argument("--never", action="store_true", help="make, rotate: no expiry, if the site allows that.")
        overlap = int(DEFAULT_OVERLAP.total_seconds())
        help_text = f"rotate: seconds for which the old token still works (default {overlap})."
        parser.add_argument("--overlap", type=int, default=overlap, help=help_text)
        parser.add_argument("--dry-run", action="store_true", help="Check it, and change nothing. Prints no token.")

    def handle(self, *_args: Any, verb: str, username: str, token: str | None, **options: Any) -> None:
        person = get_user(username)
        maker = person if options["by"] is None else get_user(options["by"])
        if verb == "list":
            if token:
                raise CommandError("permanent_tokens list takes no name of a token.", returncode=REFUSED)
            self.list_tokens(person)
            return
        if not token or not 0 <= options["overlap"] <= LONGEST_OVERLAP / timedelta(seconds=1):
            message = "Name the token, and an overlap of at most 30 days." if token else "Name the token."
            raise CommandError(message, returncode=REFUSED)
        try:
            with transaction.atomic(), log.attributed_to(maker, ""):
                lock_owner(person)
                self.change(verb, person, maker, token, options)
                transaction.set_rollback(options["dry_run"])
        except APIException as error:
            raise CommandError(f"{error_sentence(error)} Nothing was changed.", returncode=REFUSED) from None
        except Http404:
            raise CommandError(f"{username} has no token “{token}”. Nothing was changed.", returncode=REFUSED) from None

    @sensitive_variables("secret")
    def change(self, verb: str, person: User, maker: User, token: str, options: dict[str, Any]) -> None:
        body: dict[str, Any] = {"overlap_seconds": options["overlap"]}
        if options["days"] is not None or options["never"]:
            body["expires_in_days"] = options["days"]
        if verb == "delete":
            for row in get_all_endable(tokens_of(person), token):
                end_secret(row, maker, "")
                self.stdout.write(f"{row.name}, id {row.hex}: {'allowed' if options['dry_run'] else 'deleted'}.")
            return
        if options["scopes"]:
            body["scope"] = options["scopes"]
        if verb == "make":
            row, secret = make_token_for(person, maker, {"scope": [], **body, "name": token})
        else:
            row, secret = rotate_token_for(get_living(tokens_of(person), token), maker, body)
        if options["dry_run"]:
            self.stdout.write(f"{row.name}, {end_of(row)}: allowed. Nothing was changed.")
            return
        self.stderr.write(f"{row.name}, id {row.hex}, {end_of(row)}. It is shown this once:")
        self.stdout.write(secret)

    def list_tokens(self, person: User) -> None:
        for row in tokens_of(person).alive():
            used = row.last_used_at.isoformat() if row.last_used_at else "never used"
            self.stdout.write("\t".join([row.hex, row.name, row.beginning, " ".join(row.scopes), end_of(row), used]))


def end_of(row: PermanentToken) -> str:
    return f"until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else "without expiry"
