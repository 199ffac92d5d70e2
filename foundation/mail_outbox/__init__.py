"""Mails that somebody is owed.

Nothing is queued: an app's own rows say what is owed, and a column of each remembers the mail. The memory is set before
a mail is sent, by compare-and-swap, and put back if it cannot be sent. A mail never holds a secret.

    mails      one mail and the rows that it tells of     sending    claim, send, release
    deferral   failed mails wait longer each time         models     the table of failed mails
"""

from foundation.mail_outbox.mails import Line, Mail, OwedMail
from foundation.mail_outbox.sending import send_due

__all__ = ["Line", "Mail", "OwedMail", "send_due"]
