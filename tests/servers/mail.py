"""An SMTP server on loopback that takes mails, and for some recipients hangs, hangs up or drips.

with MailServer() as server:
    server.hangs_for = {"amira@hub.example"}     # after the end of the message, without an answer
    server.refuses = {"bob@hub.example": "450 later"}    # its answer to this recipient
    server.closes_for = {"carla@hub.example": "DATA"}   # answers 421 to this command, and hangs up
    server.drips = True                          # from then on: one byte a second, and never the end of a line
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    ...
    assert server.taken == ["bob@hub.example"]
"""

import socketserver
import threading
from types import TracebackType
from typing import Any, Self


class MailServer:
    def __init__(self) -> None:
        self.hangs_for: set[str] = set()
        self.hangs_up_for: set[str] = set()
        self.refuses: dict[str, str] = {}
        self.closes_for: dict[str, str] = {}
        self.drips = False
        self.taken: list[str] = []
        self.ended = threading.Event()

    def __enter__(self) -> Self:
        script = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                script.talk(self.rfile, self.wfile)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self.server.daemon_threads, self.server.block_on_close = True, False
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def talk(self, lines: Any, answers: Any) -> None:
        try:
            self.answer(answers, "220 mail.example")
            recipient = ""
            while line := lines.readline():
                words = line.decode().upper()
                if words.startswith("RCPT"):
                    recipient = line.decode().split("<")[1].split(">")[0]
                    if recipient in self.refuses:
                        self.answer(answers, self.refuses[recipient])
                        continue
                if words[:4] == self.closes_for.get(recipient):
                    self.answer(answers, "421 too many mails")
                    return
                if words.startswith("DATA"):
                    self.answer(answers, "354 go on")
                    while lines.readline().strip() != b".":
                        pass
                    if recipient in self.hangs_for:
                        self.ended.wait()
                    if recipient in self.hangs_for | self.hangs_up_for:
                        return
                    self.taken.append(recipient)
                self.answer(answers, "221 bye" if words.startswith("QUIT") else "250 fine")
        except OSError:
            pass  # the client hung up

    def answer(self, answers: Any, words: str) -> None:
        if not self.drips:
            answers.write(f"{words}\r\n".encode())
            return
        while not self.ended.wait(0.2):
            answers.write(b"2")
