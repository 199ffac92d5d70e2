"""Mail outbox: mails that are due according to an app's own rows.

There is no queue. A column of each row records that its mail was sent: it is set by compare-and-swap before sending,
and reset if the mail cannot be sent. A mail never holds a secret.

    mails      one mail and the rows that it is about     sending    claim, send, release
    deferral   growing delays for failed mails            models     the table of failed mails
"""

from foundation.mail_outbox.mails import DueMail, Line, Mail
from foundation.mail_outbox.sending import send_due

__all__ = ["DueMail", "Line", "Mail", "send_due"]
