"""Metrics that are read from the database when they are asked for: what is due, overdue, down or waits for a person.

Few statements, each with an index. They are the same on every host, so that dashboards take their maximum.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from foundation.mail_outbox import DeferredMail
from integrations.connections import keep_alive, notices
from integrations.models.flows import SubflowRun
from integrations.models.heartbeats import BEAT
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.models.registry.aliases import EFFECTIVE_CREDENTIAL
from integrations.models.tokens import Revocation, Token, TokenState
from integrations.models.tokens.revocation_record import UNDELIVERED
from integrations.monitoring.heartbeats import read_heartbeats, task_ages
from integrations.monitoring.label_limits import MOST_REGISTRIES, OTHER, named_aliases

logger = logging.getLogger(__name__)

SECONDS = 5  # that one statement may take on PostgreSQL
OVERDUE = timedelta(minutes=5)  # after which a due revocation or run should long have been taken
STATES = {TokenState.VALID: "connected", TokenState.NEEDS_REAUTH: "must_sign_in_again"}


def make_gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"keyrack_{name}", words, labels=labels)


def single_sample(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"keyrack_{name}", words, value=value)


class DatabaseGauges(Collector):
    """Reads all when it is made. If the database is away, says only that.

    `aliases`: those that are named; while the database is away, those of the last time; None if there was none.
    """

    last_aliases: ClassVar[frozenset[str] | None] = None  # of this process

    def __init__(self) -> None:
        self.aliases = self.last_aliases
        self.metrics: list[Metric] = []
        try:
            with transaction.atomic():
                limit_statements()
                self.aliases = DatabaseGauges.last_aliases = named_aliases()
                self.metrics = list(self.read(timezone.now()))
        except DatabaseError as error:
            logger.warning("Metrics could not be read from the database (%s).", type(error).__name__)

    def collect(self) -> Iterable[Metric]:
        yield single_sample("database_up", "1 if the database answers in time.", float(bool(self.metrics)))
        yield from self.metrics

    def read(self, now: datetime) -> Iterator[Metric]:
        yield from heartbeats_of()
        yield from sign_ins(self.aliases or frozenset())
        yield from registry_problems()
        yield from undelivered_revocations(now)
        yield from waiting_work(now)
        yield mails_owed()


def limit_statements() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")


def heartbeats_of() -> Iterator[Metric]:
    rows, now = read_heartbeats()
    beat_age = make_gauge("beat_age_seconds", "Seconds since beat last ran; no sample if it never has.")
    if (row := rows.get(BEAT)) and row.at:
        beat_age.add_metric([], (now - row.at).total_seconds())
    age = make_gauge(
        "sweep_age_seconds", "Seconds since a task of beat last ended well; no sample if it never has.", "task"
    )
    late = make_gauge(
        "sweep_late",
        "1 if the task has not ended well for three of its intervals and a minute; no sample if it never ran.",
        "task",
    )
    waited = make_gauge("queue_age_seconds", "Seconds that the last message of a task waited in the queue.", "task")
    for each in task_ages(rows):
        if each.heartbeat.at:
            age.add_metric([each.name], (now - each.heartbeat.at).total_seconds())
            waited.add_metric([each.name], each.heartbeat.waited_seconds)
        if each.has_run:
            late.add_metric([each.name], float(each.is_overdue(now)))
    yield from (beat_age, age, late, waited)


def sign_ins(aliases: frozenset[str]) -> Iterator[Metric]:
    """Tokens by state, and by alias and state. There, a credential of several aliases counts for each of them."""
    by_credential: defaultdict[object, Counter[str]] = defaultdict(Counter)
    by_state: Counter[str] = Counter()
    counted = Token.objects.order_by().values_list("credential_id", "state").annotate(Count("pk"))
    for credential_id, state, number in counted:
        by_credential[credential_id][state] = number
        by_state[state] += number
    total = make_gauge("sign_ins", "Sign-ins, and whether the person must sign in again; each counted once.", "state")
    for each, label in STATES.items():
        total.add_metric([label], by_state[each])
    yield total
    numbers: Counter[tuple[str, str]] = Counter()
    credentials = Alias.objects.complete().select_related(None).values_list("name", EFFECTIVE_CREDENTIAL)
    for alias, credential_id in credentials:
        for state, number in by_credential[credential_id].items():
            numbers[alias if alias in aliases else OTHER, state] += number
    metric = make_gauge("tokens", "Sign-ins by alias, and whether the person must sign in again.", "alias", "state")
    for (alias, state), number in sorted(numbers.items()):
        metric.add_metric([alias, STATES[TokenState(state)]], number)
    yield metric


def registry_problems() -> Iterator[Metric]:
    """Registries with a problem; the first by name have a sample of their own."""
    problem = Q(down_since__isnull=False) | Q(renewals_held_until__isnull=False) | ~Q(misconfigured_code="")
    fields = ("name", "down_since", "renewals_held_until", "misconfigured_code")
    rows = list(ApplicationRegistry.objects.filter(problem, active=True).order_by("name").values_list(*fields))
    total = make_gauge("registries", "Application registries by problem.", "problem")
    single_ones = make_gauge("registry_problem", "1 for a registry with this problem.", "registry", "problem")
    for position, name_of_problem in enumerate(("down", "renewals_held", "misconfigured"), start=1):
        names = [row[0] for row in rows if row[position]]
        total.add_metric([name_of_problem], len(names))
        for name in names[:MOST_REGISTRIES]:
            single_ones.add_metric([name, name_of_problem], 1)
    yield from (total, single_ones)


def undelivered_revocations(now: datetime) -> Iterator[Metric]:
    unfinished = Revocation.objects.filter(state__in=UNDELIVERED).order_by().values("state")
    counted = unfinished.annotate(number=Count("pk"), oldest=Min("created_at"))
    rows = {row["state"]: row for row in counted}
    number = make_gauge("revocations", "Revocations that the provider has not confirmed, by state.", "state")
    age = make_gauge("oldest_revocation_seconds", "Age of the oldest of them.", "state")
    for state in UNDELIVERED:
        row = rows.get(state)
        number.add_metric([state], row["number"] if row else 0)
        age.add_metric([state], (now - row["oldest"]).total_seconds() if row else 0)
    yield from (number, age)


def waiting_work(now: datetime) -> Iterator[Metric]:
    """Rows that sweeps have to work on, and those that should have been done long ago."""
    due = make_gauge("sweep_due", "Rows that a sweep has to work on now.", "sweep")
    overdue = make_gauge("sweep_overdue", "Those of them that should have been done before.", "sweep")
    for sweep, (due_rows, overdue_rows) in sweep_rows(now).items():
        due.add_metric([sweep], due_rows.count())
        overdue.add_metric([sweep], overdue_rows.count())
    backlog = keep_alive.count_backlog(now)
    due.add_metric(["keep_alive"], backlog.due)
    overdue.add_metric(["keep_alive"], keep_alive.overdue_tokens(now).count())
    yield from (due, overdue)
    oldest = (now - backlog.oldest).total_seconds() if backlog.oldest else 0
    yield single_sample("renewal_backlog_seconds", "How long the first token has been due for a renewal.", oldest)
    words = "Tokens that are due for a renewal because their refresh tokens would end unrenewed."
    yield single_sample("renewals_before_end", words, backlog.would_end)


def sweep_rows(now: datetime) -> dict[str, tuple[QuerySet[Any], QuerySet[Any]]]:
    runs, due = SubflowRun.objects, Revocation.objects.due()
    return {
        "revocations": (due, due.filter(next_attempt_at__lte=now - OVERDUE)),
        "subflow_runs": (runs.waiting(), runs.overdue()),
    }


def mails_owed() -> Metric:
    owed = make_gauge("mails_owed", "Mails to people that are not sent yet, by kind; deferred: that failed.", "kind")
    for kind, rows in {
        "sign_in_again": notices.must_sign_in_again(),
        "unconfirmed": notices.revocations_to_report(),
    }.items():
        owed.add_metric([kind], notices.with_mail_address(rows).count())
    owed.add_metric(["deferred"], DeferredMail.objects.count())
    return owed
