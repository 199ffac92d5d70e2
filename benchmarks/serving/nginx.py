"""nginx as a proxy, and as a fast file server in front of the third party."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.serving.third_party import LARGE, SMALL
from tests.servers import machine

PATIENCE = 20.0
CONFIGURATION = """
daemon off; pid nginx.pid; error_log error.log crit; worker_processes 2;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000; client_max_body_size 0;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off;
    upstream behind {{ server {behind}; keepalive 128; }}
    upstream third_party {{ server 127.0.0.1:{third_party}; keepalive 128; }}
    server {{
        listen 127.0.0.1:{third_party};
        root {folder};
        location ~ ^/(slow|giant|sink) {{ proxy_pass http://behind; }}
    }}
    server {{
        listen 127.0.0.1:{proxy};
        location / {{ proxy_pass http://third_party; }}
    }}
}}
"""


def is_here() -> bool:
    return executable() is not None


def executable() -> str | None:
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def running(behind: str) -> Iterator[tuple[str, str]]:
    """Run nginx. Yields the addresses of the third party and of the proxy."""
    third_party, proxy = machine.free_port(), machine.free_port()
    with TemporaryDirectory(prefix="keyrack-nginx-") as folder:
        Path(folder).chmod(0o755)
        for name, content in (("small.json", SMALL), ("large.bin", LARGE)):
            Path(folder, name).write_bytes(content)
        values = {
            "behind": behind.removeprefix("http://"),
            "third_party": third_party,
            "proxy": proxy,
            "folder": folder,
        }
        Path(folder, "nginx.conf").write_text(CONFIGURATION.format(**values))
        command = [executable() or "nginx", "-p", folder, "-e", "error.log", "-c", "nginx.conf"]
        child = subprocess.Popen(command)
        try:
            wait(f"http://127.0.0.1:{proxy}/small.json", child)
            yield f"http://127.0.0.1:{third_party}", f"http://127.0.0.1:{proxy}"
        finally:
            child.terminate()
            child.wait(PATIENCE)


def wait(url: str, child: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and child.poll() is None:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(0.05)
    raise RuntimeError("nginx does not answer.")
