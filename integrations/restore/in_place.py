"""The site goes on with a restored backup: what was ended since is ended again, and what can't be known is held."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone

from accounts.access_tokens import holds, operations
from accounts.access_tokens.models import ApplicationPassword, LongLivedModel, PermanentToken
from accounts.audit import log, model_changes
from accounts.audit.log import Kind
from accounts.models import RefreshReplay, User
from accounts.oauth_server import validator
from accounts.oauth_server.application_changes import approvers, end_application_grants
from accounts.oauth_server.models import Application, Approval
from foundation import installation
from integrations.connections import endings
from integrations.models.events import BACKUP_OF, ENDED_BEFORE, EventKind
from integrations.models.failures import ANSWERS
from integrations.models.flows import RunState, SubflowRun
from integrations.models.tokens import ConnectLink, Token
from integrations.restore.ended_list import Ended

SECRETS: tuple[type[PermanentToken] | type[ApplicationPassword], ...] = (PermanentToken, ApplicationPassword)


@dataclass
class Report:
    """What was done, and what an administrator has to look at. One sentence each."""

    done: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)


def continue_in_place(events: Iterable[Ended], *, taken_at: datetime, hold: bool) -> Report:
    """Make the site go on from a backup of this moment.

    `events`: what happened since, the oldest first. `hold`: hold all permanent tokens and application passwords and end
    the access of OAuth applications, because it isn't known what was ended. Safe to repeat; the site is held until it
    returns.
    """
    report = Report()
    with log.attributed_to(None, ""):
        for event in events:
            HANDLERS.get(event.kind, ignore_event)(event, report)
        end_what_is_over(report)
        if hold:
            hold_secrets(report)
            end_access_of_programs(report)
        changes = {"restored_from": taken_at, "restored_at": timezone.now(), "is_copy": False}
        row = installation.Installation.objects.first()
        log.write(Kind.RESTORED, whose=None, detail=BACKUP_OF % {"moment": f"{taken_at:%Y-%m-%d %H:%M}"})
        installation.accept_database(**changes, epoch=row.epoch + 1 if row else 1)
    return report


def end_what_is_over(report: Report) -> None:
    """End what lives for a short time, and so isn't worth to be brought back."""
    sessions, _rows = Session.objects.all().delete()
    links, _rows = ConnectLink.objects.filter(used_at=None).delete()
    RefreshReplay.objects.all().delete()
    lost = ANSWERS["worker_lost"]
    runs = list(SubflowRun.objects.unfinished())
    for run in runs:
        run.finish(RunState.FAILED, error_code=lost.code, error=str(lost.in_run))
    for count, words in (
        (sessions, "browser sessions ended: people sign in again"),
        (links, "connect links withdrawn: make new ones"),
        (len(runs), "runs of subflows given up: they may have run already"),
    ):
        if count:
            report.done.append(f"{count} {words}.")


def hold_secrets(report: Report) -> None:
    """Hold permanent tokens and application passwords: they stop, and keep the hash by which they can be released."""
    for model in SECRETS:
        ending = {"ended_at": timezone.now(), "ended_because": LongLivedModel.Ending.HELD}
        if count := model.objects.alive().update(**ending):
            report.to_do.append(f"{count} {model._meta.verbose_name_plural} are held. after_restore --held lists them.")


def end_access_of_programs(report: Report) -> None:
    """End what OAuth applications got from people, and their approvals: they can ask for it again."""
    for application in Application.objects.all():
        count = approvers(application).count()
        end_application_grants(application)
        if count:
            report.done.append(f"Access of {application.title} ended (people: {count}). It asks for it again.")


def held_rows() -> list[PermanentToken | ApplicationPassword]:
    return [row for model in SECRETS for row in model.objects.held().select_related("user").order_by("user", "name")]


def release_held(row_id: str = "") -> int:
    """Release a held token or password, or all of them. Returns how many."""
    return sum(holds.release_row(row) for row in held_rows() if row_id in ("", row.hex))


# Handlers -------------------------------------------------------------------------------------------------------------


def ignore_event(_event: Ended, _report: Report) -> None:
    """Leave an event alone that gave nothing away."""


def person_of(event: Ended) -> User | None:
    return User.objects.filter(username=event.whose_name).first() if event.whose_name else None


def end_secret(event: Ended, report: Report) -> None:
    for model in SECRETS:
        row = model.objects.filter(pk=event.subject_id).select_related("user").first()
        if row and operations.end_secret(row, who=None):
            report.done.append(f"{model._meta.verbose_name} “{row.name}” of {row.user} ended.")


def end_sign_in(event: Ended, report: Report) -> None:
    """End a person's sign-in if it is the one that was ended: a later one isn't in the backup."""
    tokens = Token.objects.filter(credential=event.subject_id, signed_in_at__lte=event.at)
    tokens = tokens.filter(user__username=event.whose_name) if event.whose_name else tokens.filter(user=None)
    if endings.end_all(tokens, reason="revoked", detail=ENDED_BEFORE):
        report.done.append(f"Sign-in of {event.whose_name or 'the system'} at {event.subject} ended.")


def end_access(event: Ended, report: Report) -> None:
    """End what an application got from the person, who is asked again if the approval was withdrawn."""
    person = person_of(event)
    if person is None:
        return
    applications = applications_titled(event.subject)
    for application in applications:
        if event.kind == Kind.APPROVAL_ENDED:
            Approval.objects.filter(user=person, application=application).delete()
        validator.end_grants(person, application)
        report.done.append(f"Access of {event.subject} for {person} ended.")
    if not applications:
        report.to_do.append(f"Access of {event.subject} for {person} had ended, and no application has this name.")


def applications_titled(title: str) -> list[Application]:
    """Applications that the audit log names like this. It has titles, in which a vouching host may follow the name."""
    names = [title, title.rpartition(" (")[0]]
    rows = Application.objects.filter(Q(name__in=names) | Q(client_id=title))
    return [row for row in rows if title in (row.title, row.name, row.client_id)]


def take_password(event: Ended, report: Report) -> None:
    """Take away the old password: whoever knows it may be the reason why it was changed."""
    person = person_of(event)
    if person and person.has_usable_password():
        person.set_unusable_password()
        person.save(update_fields=["password"])
        report.to_do.append(
            f"{person} had changed the password, so the old one was taken away: a new one is set by mail."
        )


def follow_change(event: Ended, report: Report) -> None:
    """Turn a person off or on as they were. Any other change of the set-up is an administrator's to repeat."""
    person = person_of(event)
    changes = dict(event.changes)
    if person and "is_active" in changes:
        set_active(person, changes.pop("is_active").get("new") == "True", report)
    for change in changes.values():
        words = "changed" if change.get("changed") else f"{change.get('old') or '–'} → {change.get('new') or '–'}"
        report.to_do.append(f"{event.subject}: {change.get('field', change['name'])}: {words}")


def set_active(person: User, is_active: bool, report: Report) -> None:
    if person.is_active != is_active:
        person.is_active = is_active
        person.save(update_fields=["is_active"])
        report.done.append(f"{person} turned {'on' if is_active else 'off'}.")


def follow_deletion(event: Ended, report: Report) -> None:
    """Turn a deleted person off. Other rows that are back are named."""
    name = event.subject.removeprefix(f"{User._meta.verbose_name} ")
    person = User.objects.filter(username=name).first()
    if person and model_changes.subject_id(person) == event.subject_id:
        set_active(person, False, report)
        report.to_do.append(f"{person} had been deleted, and is turned off: delete the account again.")
    else:
        report.to_do.append(f"{event.subject} had been deleted, and is back.")


def name_addition(event: Ended, report: Report) -> None:
    report.to_do.append(f"{event.subject} had been added, and is gone.")


def name_second_step(event: Ended, report: Report) -> None:
    report.to_do.append(f"{event.whose_name} had changed the second step ({event.detail}): it is the old one again.")


HANDLERS: Mapping[str, Callable[[Ended, Report], Any]] = {
    **dict.fromkeys((Kind.TOKEN_DELETED, Kind.TOKEN_LEAKED, Kind.APPLICATION_PASSWORD_DELETED), end_secret),
    **dict.fromkeys((EventKind.REVOKED, EventKind.FORGOTTEN, EventKind.OTHER_ACCOUNT), end_sign_in),
    **dict.fromkeys((Kind.GRANT_ENDED, Kind.APPROVAL_ENDED, Kind.REFRESH_REUSED, Kind.CODE_REPLAYED), end_access),
    Kind.PASSWORD_CHANGED: take_password,
    Kind.SET_UP_CHANGED: follow_change,
    Kind.SET_UP_DELETED: follow_deletion,
    Kind.SET_UP_ADDED: name_addition,
    **dict.fromkeys((Kind.SECOND_FACTOR_ADDED, Kind.SECOND_FACTOR_REMOVED), name_second_step),
}
