"""A proxy on loopback that adds a bearer token to each request, for programs that can't be told one.

    with bearer_proxy("http://127.0.0.1:8000", "Bearer abc") as url:
        ...                       # what asks `url` asks the site with the token

Everything else passes as it is, also the Host and Origin headers; a response is passed on while it comes, and a client
that leaves ends the request behind it.
"""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextlib.contextmanager
def bearer_proxy(url: str, authorization: str, *, port: int = 0) -> Iterator[str]:
    """Run the proxy in a thread; its address. Port 0: any."""
    host = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_ONE_HOP}
            connection = http.client.HTTPConnection(host, timeout=60)
            with contextlib.closing(connection):
                connection.request(self.command, self.path, body, {**headers, "Authorization": authorization})
                self.answer(connection.getresponse())

        def answer(self, response: http.client.HTTPResponse) -> None:
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in OF_ONE_HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):  # the client has left
                while part := response.read1(65536):
                    self.wfile.write(part)
                    self.wfile.flush()

        do_GET = do_POST = do_DELETE = pass_on  # noqa: N815 - the names of the standard library

        def log_message(self, format: str, *values: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
