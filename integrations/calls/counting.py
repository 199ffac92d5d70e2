"""Counts calls to third parties in metrics, with whose fault a failure is, and names their alias to traces."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from foundation.oauth_client.errors import Fault, OAuthError, Unreachable
from foundation.oauth_client.transport import requests_of_alias
from integrations import metrics
from integrations.calls.header_policy import BadPath
from integrations.calls.meanings import FAULTS, AnswerMeaning
from integrations.connections.renewal import NoUsableToken
from integrations.models.failures import failure_of

Record = Callable[[int, AnswerMeaning], None]


@contextmanager
def counted_call(alias: str) -> Iterator[Record]:
    """A context that makes one call. Pass the status and the meaning of the answer to what it yields."""
    try:
        with requests_of_alias(alias):
            yield lambda status, meaning: metrics.count_call(
                alias, status, fault=fault_of(status, meaning), reason=meaning.reason
            )
    except (OAuthError, NoUsableToken) as error:
        metrics.count_call(alias, None, fault=fault_of_error(error))
        raise
    except BadPath:
        metrics.count_call(alias, None, fault=Fault.PROGRAM)
        raise


def fault_of(status: int, meaning: AnswerMeaning) -> str:
    if meaning.reason:
        return FAULTS.get(meaning.reason, Fault.PROVIDER)
    if status >= 500:
        return Fault.PROVIDER
    return Fault.PROGRAM if status >= 400 else ""


def fault_of_error(error: OAuthError | NoUsableToken) -> str:
    if row := failure_of(error.code):
        return row.fault
    if isinstance(error, NoUsableToken):
        return Fault.PERSON
    return Fault.PROVIDER if isinstance(error, Unreachable) else Fault.ANSWER
