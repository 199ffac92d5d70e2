"""End many sign-ins at once: by an administrator, by the kill switch, or because a person was deactivated.

Deletes the tokens, writes to the audit log of their owners, and creates revocations. Knows no queue, pages or shell.
"""

from integrations.connections.endings.batches import AT_ONCE, Ending, NotAllEnded, cancel, end
from integrations.connections.endings.deactivated import end_sign_ins_of_deactivated

__all__ = ["AT_ONCE", "Ending", "NotAllEnded", "cancel", "end", "end_sign_ins_of_deactivated"]
