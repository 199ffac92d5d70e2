"""`revoke_tokens`: the kill switch. Every sign-in at one provider ends at once, the provider is told bit by bit."""

import os
import pwd
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from integrations.connections.endings import kill_switch
from integrations.connections.endings.kill_switch import Count, Tally, Target
from integrations.models.registry import ApplicationRegistry

NAMED_AT_MOST = 100
NOT_DONE, NOT_UNDERSTOOD = 1, 2  # exit codes; 0 is all done


class Command(BaseCommand):
    help = (
        "Kill switch: end every sign-in at one provider at once, and have the provider told to cancel the tokens. "
        "Safe to stop at any time and to run again: it goes on with the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--registry", required=True, metavar="NAME", help="Name of the Application Registry.")
        parser.add_argument("--user", metavar="USERNAME", help="Only this person's; the system's tokens stay.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would end.")
        parser.add_argument(
            "--per-second", type=rate, default=10.0, metavar="N", help="How many the provider is told of (default 10)."
        )

    def handle(
        self, *_args: Any, registry: str, user: str | None, yes: bool, dry_run: bool, per_second: float, **_options: Any
    ) -> None:
        target = Target(registry=named_registry(registry), user=named_user(user) if user else None)
        found = kill_switch.count(target)
        self.stdout.write("\n".join(announcement(target, found)))
        if found.is_empty or dry_run:
            return
        if not yes:
            ask()
        try:
            tally = kill_switch.pull(target, by=who_runs_this(), per_second=per_second, note=self.note)
        except KeyboardInterrupt:
            raise CommandError("Stopped. What is done is done; run it again to go on.", returncode=NOT_DONE) from None
        self.summarize(target, tally, per_second)

    def note(self, tally: Tally) -> None:
        """Progress, for a person who watches."""
        if self.stdout.isatty():
            self.stdout.write(f"\r\x1b[K{tally.tokens} sign-ins ended", ending="")

    def summarize(self, target: Target, tally: Tally, per_second: float) -> None:
        if self.stdout.isatty():
            self.stdout.write("\r\x1b[K", ending="")
        self.stdout.write(
            f"{tally.tokens} sign-ins ended, {tally.attempts} under way cancelled. No token of theirs is used any more."
        )
        if tally.told_by:
            self.stdout.write(told(target, tally, per_second))
        for name in tally.unreadable[:NAMED_AT_MOST]:
            self.stderr.write(f"Cannot be opened: {name}")
        if len(tally.unreadable) > NAMED_AT_MOST:
            self.stderr.write(f"... and {len(tally.unreadable) - NAMED_AT_MOST} more.")
        if tally.left:
            raise CommandError(f"{tally.left} could not be ended; the log says why. Run it again.", returncode=NOT_DONE)
        if tally.unreadable:
            unreadable = f"{len(tally.unreadable)} tokens ended here but could not be opened: {target.registry.name}"
            raise CommandError(f"{unreadable} cannot be told which they are. Cancel them there.", returncode=NOT_DONE)


def rate(typed: str) -> float:
    try:
        number = float(typed)
    except ValueError:
        number = 0
    if not 0 < number <= 1000:
        raise ArgumentTypeError("a number above 0, at most 1000")
    return number


def named_registry(name: str) -> ApplicationRegistry:
    registry = ApplicationRegistry.objects.filter(name=name).first()
    if registry is None:
        names = ", ".join(ApplicationRegistry.objects.order_by("name").values_list("name", flat=True)) or "none"
        raise CommandError(
            f"There is no Application Registry named “{name}”. There are: {names}.", returncode=NOT_UNDERSTOOD
        )
    return registry


def named_user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user named “{username}”.", returncode=NOT_UNDERSTOOD)
    return user


def announcement(target: Target, found: Count) -> list[str]:
    """What is going to happen, before anybody is asked."""
    registry, whose = target.registry, f" of {target.user.get_username()}" if target.user else ""
    if found.is_empty:
        return [f"There are no sign-ins{whose} at {registry.name} ({registry.host})."]
    lines = [
        f"This ends {found.tokens} sign-ins{whose} at {registry.name} ({registry.host}), of {found.people} people."
    ]
    if found.shared:
        lines.append(f"{found.shared} of them are the system's own.")
    if found.attempts:
        lines.append(f"{found.attempts} sign-ins that are under way are cancelled.")
    if not registry.token_revocation_url:
        lines.append("The registry has no Token Revocation URL: the provider is not told.")
    if found.locked:
        lines.append(
            f"{found.locked} cannot be opened with the keys that are set: the provider cannot be told of them."
        )
    if registry.active:
        lines.append("The registry is active: people can sign in again at once. Turn it off first if they shall not.")
    return lines


def ask() -> None:
    if not sys.stdin.isatty():
        raise CommandError("Nobody is there to ask. Add --yes, or --dry-run to look.", returncode=NOT_UNDERSTOOD)
    if input("Type yes to go on: ").strip().lower() != "yes":
        raise CommandError("Nothing was changed.", returncode=NOT_DONE)


def who_runs_this() -> str:
    """The account of the operating system, and who borrowed it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container need not know its own user
        name = f"uid {os.getuid()}"
    borrower = os.environ.get("SUDO_USER", "")
    return f"{name} ({borrower})" if borrower.isprintable() and borrower else name


def told(target: Target, tally: Tally, per_second: float) -> str:
    address = f"{settings.SITE_URL}{reverse('admin:integrations_revocation_changelist')}"
    return (
        f"{target.registry.name} is told of {tally.promised}, {per_second:g} a second, until "
        f"{timezone.localtime(tally.told_by):%Y-%m-%d %H:%M:%S}, while a worker and beat run. Watch Token Revocations: "
        f"{address}?registry__id__exact={target.registry.pk}"
    )
