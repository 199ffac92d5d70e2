"""Keep tokens alive: renew access tokens before a caller has to wait, and use refresh tokens before they idle out.

Each token has its deadlines in its row (`integrations.models.tokens.deadlines`). Runs in any number of processes claim
small batches of those that are due, first those whose refresh token would idle out. What is claimed and not renewed is
due again after a minute; `renewal.renew` handles leases, pauses and providers that do not answer.

    queue   due tokens by credential: count, claim, give back, repair        worker   one run: threads that renew them
"""

from integrations.connections.keep_alive.queue import Backlog, count_backlog, overdue_tokens, repair_slice
from integrations.connections.keep_alive.worker import renew_due_tokens

__all__ = ["Backlog", "count_backlog", "overdue_tokens", "renew_due_tokens", "repair_slice"]
