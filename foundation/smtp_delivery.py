"""Mail backend for SMTP whose steps end in time: opening a connection, sending one mail, closing.

`timeout` of smtplib begins anew with each byte that arrives, so a server that sends one byte a second could occupy a
thread for hours.
"""

import io
import logging
import smtplib
import time
from collections.abc import Sequence
from typing import Any

from django.core.mail.backends import smtp

logger = logging.getLogger(__name__)

STEP_SECONDS = 20.0


class SMTP(smtplib.SMTP):
    """A connection whose steps take at most STEP_SECONDS each. Raises SMTPServerDisconnected after that."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.step_ends_at = time.monotonic() + STEP_SECONDS
        super().__init__(*arguments, **options)

    def begin_step(self) -> None:
        self.step_ends_at = time.monotonic() + STEP_SECONDS
        if self.sock:
            self.sock.settimeout(self.timeout)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = io.BufferedReader(Replies(self))
        return super().getreply()

    def sendmail(self, from_addr: str, to_addrs: str | Sequence[str], *arguments: Any, **options: Any) -> Any:
        self.begin_step()
        refused = super().sendmail(from_addr, to_addrs, *arguments, **options)
        if refused:
            codes = ", ".join(sorted({str(code) for code, _text in refused.values()}))
            logger.warning(
                "The mail server refused %s of a mail's addresses (%s). The others got it.", len(refused), codes
            )
        return refused

    def quit(self) -> tuple[int, bytes]:
        self.begin_step()
        return super().quit()


class SMTPOverTLS(SMTP, smtplib.SMTP_SSL):
    pass


class Replies(io.RawIOBase):
    """Bytes from the server. Raises TimeoutError if none arrive within the timeout, or when the step has to end."""

    def __init__(self, connection: SMTP) -> None:
        self.connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self.connection.step_ends_at - time.monotonic()
        if remaining <= 0 or not self.connection.sock:
            raise TimeoutError
        self.connection.sock.settimeout(min(remaining, self.connection.timeout))
        return self.connection.sock.recv_into(buffer)


class SMTPBackend(smtp.EmailBackend):
    @property
    def connection_class(self) -> type[SMTP]:
        return SMTPOverTLS if self.use_ssl else SMTP
