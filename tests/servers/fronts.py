"""nginx and Caddy in front of a site, with the files of deploy/: only addresses, certificates and folders are replaced.

with fronts.nginx(site.url, streams.url) as front:
    requests.get(front.url, headers={"Host": fronts.HOST}, verify=False)
    front.logs()        # all that it wrote
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config.bootstrap import ROOT
from tests.servers import machine

HOST = "hub.example"
SITE, STREAMS = "127.0.0.1:8000", "127.0.0.1:8002"
LOGS = {".log", ".txt"}
NGINX = """
daemon off; pid {home}/pid; error_log {home}/error.log info; worker_processes 1; {user}
events {{ }}
http {{
    access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    {servers}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
    default_sni {host}
    default_bind 127.0.0.1
    storage file_system {home}/storage
    log {{
        output file {home}/caddy.log
        level INFO
    }}
}}
"""


@dataclass(frozen=True)
class Front:
    url: str
    home: Path

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.home.iterdir() if path.suffix in LOGS)


@contextlib.contextmanager
def nginx(site: str, streams: str = "") -> Iterator[Front]:
    """nginx in front of the site. Without a process for `streams`, nobody listens at its address."""
    port = machine.free_port()
    with machine.folder("nginx") as home:
        make_certificate(home)
        text = with_addresses((ROOT / "deploy/nginx/keyrack.conf").read_text(), site, streams)
        # Without the server that redirects to https
        text = re.sub(r"^server \{\n    listen 80;.*?^\}\n", "", text, count=1, flags=re.DOTALL | re.MULTILINE)
        text = text.replace("    listen [::]:443 ssl http2;\n", "").replace("listen 443", f"listen 127.0.0.1:{port}")
        text = text.replace("/etc/ssl/keyrack/fullchain.pem", f"{home}/cert.pem").replace("/var/log/nginx", str(home))
        text = text.replace("/etc/ssl/keyrack/privkey.pem", f"{home}/key.pem")
        user = "" if os.geteuid() else "user root;"
        (home / "nginx.conf").write_text(NGINX.format(home=home, servers=text, user=user))
        command = [str(machine.found("nginx")), "-p", str(home), "-c", str(home / "nginx.conf")]
        with machine.running(command, home, lambda: machine.answers(port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 400")):
            yield Front(f"https://127.0.0.1:{port}", home)


@contextlib.contextmanager
def caddy(site: str, streams: str = "") -> Iterator[Front]:
    """The same with Caddy."""
    port = machine.free_port()
    with machine.folder("caddy") as home:
        make_certificate(home)
        text = with_addresses((ROOT / "deploy/caddy/Caddyfile").read_text(), site, streams)
        assert text.count(f"{HOST} {{\n") == 1
        certificate = f"\ttls {home}/cert.pem {home}/key.pem\n"
        text = text.replace(f"{HOST} {{\n", f"https://{HOST}:{port} {{\n{certificate}")
        (home / "Caddyfile").write_text(CADDY.format(home=home, host=HOST) + text)
        for path in (home / "cert.pem", home / "key.pem"):
            path.chmod(0o644)
        command = [str(machine.found("caddy")), "run", "--config", str(home / "Caddyfile"), "--adapter", "caddyfile"]
        ready = lambda: machine.answers(port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 400")  # noqa: E731  plain http
        with machine.running(command, home, ready, environment={"HOME": str(home)}):
            yield Front(f"https://127.0.0.1:{port}", home)


def with_addresses(text: str, site: str, streams: str) -> str:
    assert text.count(SITE) >= 2
    assert text.count(STREAMS) == 1
    nobody = f"127.0.0.1:{machine.free_port()}"
    text = text.replace(STREAMS, streams.removeprefix("http://") or nobody)
    return text.replace(SITE, site.removeprefix("http://"))


def make_certificate(home: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (home / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (home / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, unencrypted))
