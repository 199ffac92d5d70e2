"""What ends many sign-ins: an administrator, the kill switch, a person's leaving.

Gone here, in the diary of their owners, promised to be revoked. Knows nothing of the queue, of pages and of the shell.
"""

from integrations.connections.endings.batches import AT_ONCE, Ending, NotAllEnded, cancel, end
from integrations.connections.endings.deactivated import end_sign_ins_of_deactivated

__all__ = ["AT_ONCE", "Ending", "NotAllEnded", "cancel", "end", "end_sign_ins_of_deactivated"]
