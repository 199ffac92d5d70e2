"""`explain_access`: explain whether a user may use an integration, and which rule refuses.

Exit code 0: yes, and nothing known stops a call; 1: no, or not now; 2: no user or alias of that name, or several.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.provider_setup.explain_access import (
    Search,
    explain,
    find_aliases,
    find_people,
)

NOT_NOW, NOT_UNDERSTOOD = 1, 2  # exit codes


class Command(BaseCommand):
    help = (
        "Explain whether a user may use an integration and whether a call would work now; if not, which rule refuses "
        "and where to change it. Nothing is changed, no call is made, and no one is notified."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="Username, email address or full name.")
        parser.add_argument("alias", help="Name, id or label of an alias.")

    def handle(self, *_args: Any, user: str, alias: str, **_options: Any) -> None:
        people, aliases = find_people(user), find_aliases(alias)
        if people.only is None:
            names = [person.username for person in people.rows or people.suggestions]
            raise name_error(f"Nobody here is called “{user}”.", people, names)
        if aliases.only is None:
            names = [row.name for row in aliases.rows or aliases.suggestions]
            raise name_error(f"No integration here is called “{alias}”.", aliases, names)
        explanation = explain(people.only, aliases.only)
        self.stdout.write(explanation.as_text())
        if not explanation.works_now:
            raise SystemExit(NOT_NOW)


def name_error(not_found: str, search: Search[Any], names: list[str]) -> CommandError:
    if search.rows:
        return CommandError(f"Several are called “{search.text}”: {', '.join(names)}.", returncode=NOT_UNDERSTOOD)
    sentence = f"{not_found} Did you mean {', '.join(names)}?" if names else not_found
    return CommandError(sentence, returncode=NOT_UNDERSTOOD)
