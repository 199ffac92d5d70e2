"""What came of deliveries, written down: many in one transaction, each with its line in the diary."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from django.db import transaction

from foundation.error_boundary import error_boundary
from integrations.connections.revocations.postponement import diary_detail, postpone_after_fault
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.tokens import Revocation, RevocationState

EVENTS = {
    RevocationState.CONFIRMED: EventKind.REVOCATION_CONFIRMED,
    RevocationState.VERIFIED: EventKind.REVOCATION_VERIFIED,
    RevocationState.UNSUPPORTED: EventKind.REVOCATION_FAILED,
}


def settle(earned: Iterable[tuple[Revocation, RevocationState]]) -> None:
    """Each in the state that it has earned, except for those that somebody settled meanwhile.

    One that failed before and is kept now shows that its provider answers again: the others there are due as well.
    """
    alike, answering = defaultdict(list), set()
    for row, state in earned:
        alike[state, row.last_answer, *row.told].append(row)
        if row.attempts > 1 and state != RevocationState.UNSUPPORTED:
            answering.add(row.revocation_url)
    for (state, *_words), rows in alike.items():
        are_settled = False
        with error_boundary("Settling revocations"):
            are_settled = settled(rows, state)
        if not are_settled:
            for row in rows:
                with error_boundary(f"Settling revocation {row.hex}", on_error=partial(postpone_after_fault, row)):
                    settled([row], state)
    if answering:
        Revocation.objects.filter(revocation_url__in=answering).make_due()


def settled(rows: Sequence[Revocation], state: RevocationState) -> bool:
    """All of these in one statement; False, and nothing done, where one of them is settled already."""
    answer = rows[0].last_answer if state == RevocationState.UNSUPPORTED else ""
    lines = [events.line(row.user, row.credential, EVENTS[state], diary_detail(row, answer)) for row in rows]
    with transaction.atomic():
        is_done = Revocation.objects.settle(rows, state)
        if is_done:
            events.write_all(lines)
        else:
            transaction.set_rollback(True)
    return is_done
