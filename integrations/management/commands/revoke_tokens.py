"""`revoke_tokens`: the kill switch. Ends all sign-ins at one provider at once, then sends the revocations gradually."""

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
from integrations.connections import kill_switch
from integrations.connections.kill_switch import Count, Tally, Target
from integrations.models.registry import ApplicationRegistry

NAMED_AT_MOST = 100
NOT_DONE, NOT_UNDERSTOOD = 1, 2  # exit codes; 0: all done


class Command(BaseCommand):
    help = (
        "Kill switch: end every sign-in at one provider at once, and have its tokens revoked there. "
        "Safe to stop at any time and to run again: it continues with the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--registry", required=True, metavar="NAME", help="Name of the Application Registry.")
        parser.add_argument("--user", metavar="USERNAME", help="Only this user's sign-ins; the system's tokens stay.")
        parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")
        parser.add_argument("--dry-run", action="store_true", help="Only show what would end.")
        parser.add_argument(
            "--per-second",
            type=parse_rate,
            default=10.0,
            metavar="N",
            help="Revocations to send per second (default 10).",
        )

    def handle(
        self, *_args: Any, registry: str, user: str | None, yes: bool, dry_run: bool, per_second: float, **_options: Any
    ) -> None:
        target = Target(registry=named_registry(registry), user=named_user(user) if user else None)
        count = kill_switch.count_sign_ins(target, with_locked=dry_run or not yes)
        self.stdout.write("\n".join(describe_target(target, count)))
        if count.is_empty or dry_run:
            return
        if not yes:
            ask_for_confirmation()
        try:
            tally = kill_switch.end_sign_ins(
                target, by=operator_name(), per_second=per_second, note=self.note, counted=count
            )
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. What has ended stays ended; run it again to continue.", returncode=NOT_DONE
            ) from None
        self.summarize(target, tally, per_second)

    def note(self, tally: Tally) -> None:
        """Show progress on a terminal."""
        if self.stdout.isatty():
            self.stdout.write(f"\r\x1b[K{tally.tokens} sign-ins ended", ending="")

    def summarize(self, target: Target, tally: Tally, per_second: float) -> None:
        if self.stdout.isatty():
            self.stdout.write("\r\x1b[K", ending="")
        self.stdout.write(
            f"{tally.tokens} sign-ins ended, {tally.attempts} under way cancelled. "
            "Keyrack no longer uses any of their tokens."
        )
        if tally.last_due_at:
            self.stdout.write(revocation_notice(target, tally, per_second))
        for name in tally.unreadable[:NAMED_AT_MOST]:
            self.stderr.write(f"Cannot be opened: {name}")
        if len(tally.unreadable) > NAMED_AT_MOST:
            self.stderr.write(f"... and {len(tally.unreadable) - NAMED_AT_MOST} more.")
        if tally.not_ended:
            raise CommandError(
                f"{tally.not_ended} could not be ended; the log says why. Run it again.", returncode=NOT_DONE
            )
        if tally.unreadable:
            unreadable = f"{len(tally.unreadable)} tokens ended here but could not be opened, so {target.registry.name}"
            raise CommandError(f"{unreadable} cannot be told to revoke them. Revoke them there.", returncode=NOT_DONE)


def parse_rate(typed: str) -> float:
    try:
        number = float(typed)
    except ValueError:
        number = 0
    if not 0 < number <= 1000:
        raise ArgumentTypeError("a number above 0, at most 1000")
    return number


def named_registry(name: str) -> ApplicationRegistry:
    registry = ApplicationRegistry.objects.filter(name=name).first() if name.isprintable() else None
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


def describe_target(target: Target, count: Count) -> list[str]:
    """Return the lines that say what will happen, before the confirmation."""
    registry, of_user = target.registry, f" of {target.user.get_username()}" if target.user else ""
    if count.is_empty:
        return [f"There are no sign-ins{of_user} at {registry.name} ({registry.host})."]
    lines = [
        f"This ends {count.tokens} sign-ins{of_user} at {registry.name} ({registry.host}), of {count.people} people."
    ]
    if count.shared:
        lines.append(f"{count.shared} of them are the system's own.")
    if count.attempts:
        lines.append(f"{count.attempts} sign-ins that are under way are cancelled.")
    if not registry.token_revocation_url:
        lines.append("The registry has no Token Revocation URL, so the tokens are not revoked at the provider.")
    if count.locked:
        lines.append(
            f"{count.locked} cannot be opened with the keys that are set, so they cannot be revoked at the provider."
        )
    if registry.active:
        lines.append("The registry is active, so people can sign in again at once. To prevent that, turn it off first.")
    return lines


def ask_for_confirmation() -> None:
    if not sys.stdin.isatty():
        raise CommandError(
            "There is no terminal for the confirmation. Add --yes, or --dry-run to look first.",
            returncode=NOT_UNDERSTOOD,
        )
    if input("Type yes to continue: ").strip().lower() != "yes":
        raise CommandError("Nothing was changed.", returncode=NOT_DONE)


def operator_name() -> str:
    """Return the operating system account that runs this, and who used sudo to become it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, the user may have no entry
        name = f"uid {os.getuid()}"
    sudo_user = os.environ.get("SUDO_USER", "")
    return f"{name} ({sudo_user})" if sudo_user.isprintable() and sudo_user else name


def revocation_notice(target: Target, tally: Tally, per_second: float) -> str:
    address = f"{settings.SITE_URL}{reverse('admin:integrations_revocation_changelist')}"
    return (
        f"{tally.revocations} revocations are sent to {target.registry.name}, {per_second:g} per second, until "
        f"{timezone.localtime(tally.last_due_at):%Y-%m-%d %H:%M:%S}, if a worker and beat are running. See them at "
        f"{address}?registry__id__exact={target.registry.pk}"
    )
