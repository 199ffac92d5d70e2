"""A server with a thread for each connection, which ends at once when it is told to."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ThreadedServer(ThreadingHTTPServer):
    """`serve_forever` looks every so often whether it shall end. Here a connection of our own wakes it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, and let answers under way see it in `stopping`."""
        self.stopping.set()
        with socket.socket(self.address_family) as waking:  # by number: a test may have replaced the resolver
            waking.connect_ex(self.server_address)
        self._thread.join(5)
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.stopping.is_set()

    def _serve(self) -> None:
        while not self.stopping.is_set():
            self.handle_request()
