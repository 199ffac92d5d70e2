"""What follows when the database was restored from a backup, or is a copy of another site's.

    ended_list   what was ended since the backup, read from an export of the audit log
    in_place     the site goes on: what is in the list is ended again, and what may be outdated is ended or held
    copies       another site: it has no sign-ins, and sends no mails

`foundation.installation` notices it, and holds the site until one of them has run. Both are safe to repeat.
"""

from integrations.restore.copies import strip_copy
from integrations.restore.ended_list import BadList, Ended, read_list
from integrations.restore.in_place import Report, continue_in_place, release_held

__all__ = ["BadList", "Ended", "Report", "continue_in_place", "read_list", "release_held", "strip_copy"]
