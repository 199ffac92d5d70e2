"""Store the results of deliveries: many in one transaction, each with an entry in the audit log."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from django.db import transaction

from foundation.error_boundary import error_boundary
from integrations.connections.revocations.postponement import event_detail, postpone_after_fault
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.tokens import Revocation, RevocationState

EVENTS = {
    RevocationState.CONFIRMED: EventKind.REVOCATION_CONFIRMED,
    RevocationState.VERIFIED: EventKind.REVOCATION_VERIFIED,
    RevocationState.UNSUPPORTED: EventKind.REVOCATION_FAILED,
}


def settle(results: Iterable[tuple[Revocation, RevocationState]]) -> None:
    """Settle each revocation in its new state, except for those that were settled meanwhile.

    One that failed before and succeeds now shows that its provider responds again: the others there become due.
    """
    groups, responding = defaultdict(list), set()
    for row, state in results:
        groups[state, row.last_answer, *row.told].append(row)
        if row.attempts > 1 and state != RevocationState.UNSUPPORTED:
            responding.add(row.revocation_url)
    for (state, *_words), rows in groups.items():
        are_settled = False
        with error_boundary("Settling revocations"):
            are_settled = settle_together(rows, state)
        if not are_settled:
            for row in rows:
                with error_boundary(f"Settling revocation {row.hex}", on_error=partial(postpone_after_fault, row)):
                    settle_together([row], state)
    if responding:
        Revocation.objects.filter(revocation_url__in=responding).make_due()


def settle_together(rows: Sequence[Revocation], state: RevocationState) -> bool:
    """Settle all rows in one statement. False, without a change, if one of them is settled already."""
    answer = rows[0].last_answer if state == RevocationState.UNSUPPORTED else ""
    lines = [events.build_event(row.user, row.credential, EVENTS[state], event_detail(row, answer)) for row in rows]
    with transaction.atomic():
        is_done = Revocation.objects.settle(rows, state)
        if is_done:
            events.write_all(lines)
        else:
            transaction.set_rollback(True)
    return is_done
