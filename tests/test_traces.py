"""Traces lead from a request over the worker to the third party, and hold no token, code, query string or person."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from accounts.access_tokens import operations
from accounts.models import User
from config import bootstrap, spans, tracing
from foundation.oauth_client import transport
from integrations.models import Alias, Revocation
from tests import cast
from tests.canaries import finds
from tests.integrations.revoking import ACCESS, REFRESH, TOLD
from tests.servers.hostile import HostileServer
from tests.servers.served import Served
from tests.servers.worker import FILES, Worker, broker, environment, eventually

CANARY = "CANARY-of-a-caller"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": f"v={CANARY}", "baggage": f"user={CANARY}"}
REQUEST_ID = "a-request-1"
SCOPES = ["integrations:read", "integrations:revoke", "service:*"]


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """What would leave the process, of spans that a test makes."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans.AllowedOnly(exporter)))
    yield exporter
    provider.shutdown()


def test_what_is_not_listed_does_not_leave(exported: InMemorySpanExporter) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans.AllowedOnly(exported)))
    tracer = provider.get_tracer("test")
    addresses = {"http.target": f"/?code={CANARY}", "http.user_agent": CANARY, "http.method": CANARY}
    with tracer.start_as_current_span(CANARY, kind=SpanKind.SERVER, attributes=addresses) as span:
        span.add_event(CANARY, {"text": CANARY})
        span.record_exception(RuntimeError(CANARY))
    [left] = exported.get_finished_spans()
    assert CANARY not in left.to_json()
    assert left.name == "_OTHER"
    assert dict(left.attributes or {}) == {"http.method": "_OTHER", "error.type": "RuntimeError"}


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("anna.provider.example", "*.provider.example"),
        ("provider.example", "provider.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("intranet", "intranet"),
    ],
)
def test_the_beginning_of_a_host_is_not_shown(host: str, shown: str) -> None:
    assert spans.domain_of(host) == shown


def test_without_an_endpoint_nothing_is_traced(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TRACES_ENDPOINT = ""
    monkeypatch.setattr(spans, "install_tracing", lambda _exporter: pytest.fail("was started"))
    tracing.start_tracing()


def test_the_packages_are_installed_for_who_sets_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACES_ENDPOINT", "TRACES_ENDPOINT_FILE"):
        monkeypatch.setenv(name, "")
    assert bootstrap.lock_of_site() == "base"
    monkeypatch.setenv("TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")
    assert bootstrap.lock_of_site() == "traces"


# Real processes -------------------------------------------------------------------------------------------------------

V1_TRACES = "/v1/traces"


@pytest.fixture
def collector() -> Iterator[HostileServer]:
    with HostileServer() as running:
        running.on(f"POST {V1_TRACES}").always(status=200)
        yield running


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    server.on(TOLD).always(status=200)
    server.on("GET /api/contacts").always(json=[{"name": CANARY}])
    return alias


def collected(collector: HostileServer) -> list[Span]:
    found = []
    for call in collector.calls_to(f"POST {V1_TRACES}"):
        body = gzip.decompress(call.body) if call.headers.get("content-encoding") == "gzip" else call.body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def attributes_of(span: Span) -> dict[str, object]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_told", [False, True], ids=["kept", "told"])
def test_one_trace_leads_over_the_worker_to_the_third_party(
    is_told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    collector: HostileServer,
    server: HostileServer,
    amira: User,
    northwind: Alias,
) -> None:
    monkeypatch.setenv("TRACES_ENDPOINT", f"{collector.url}{V1_TRACES}")
    monkeypatch.setenv("TRACES_AUTHORIZATION", "Bearer for-the-collector")
    monkeypatch.setenv("TRACES_TO_THIRD_PARTIES", str(is_told).lower())
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "authorization,.*")
    token = operations.make_token(amira, name="A script", scopes=SCOPES, expires_at=None, by=amira)[1]
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": REQUEST_ID, "User-Agent": CANARY, **CONTEXT}
    variables = {**os.environ, **environment(FILES, tmp_path)}
    background = Worker(FILES, tmp_path, pool="prefork", beat=False)
    with broker(FILES, tmp_path), background, Served("granian", tmp_path, variables) as site:
        base = f"{site.url}/api/v1/integrations/{northwind.name}"
        called = requests.get(f"{base}/proxy/contacts?q={CANARY}", headers=headers, timeout=30)
        revoked = requests.post(f"{base}/revoke/", headers=headers, timeout=30)
        requests.get(f"{site.url}/{CANARY}/?code={CANARY}", headers=headers, timeout=30)
        requests.request(CANARY, f"{site.url}/", headers=headers, timeout=30)
        assert (called.status_code, revoked.status_code) == (200, 200), revoked.text
        assert eventually(lambda: Revocation.objects.filter(state="confirmed").exists())
        assert eventually(lambda: has_run(collector) and len(third_parties(collector)) >= 3), [
            (each.name, each.trace_id.hex()[:4], attributes_of(each)) for each in collected(collector)
        ]
    assert_one_trace(collector)
    [call] = server.calls_to("GET /api/contacts")
    assert ("traceparent" in call.headers) is is_told
    assert {"tracestate", "baggage"}.isdisjoint(call.headers)
    for each in server.calls_to(TOLD):
        assert each.headers.get("traceparent", "").startswith(f"00-{TRACE}-") is is_told
    sent = [repr(each.headers).encode() + gunzipped(each) for each in collector.calls]
    for secret in (CANARY, ACCESS, REFRESH, str(token), amira.username, str(amira.email)):
        assert not [body for body in sent if finds(secret, body)], secret


def gunzipped(call: Any) -> bytes:
    return gzip.decompress(call.body) if call.headers.get("content-encoding") == "gzip" else call.body


def has_run(collector: HostileServer) -> bool:
    return any(span.name == "run/integrations.deliver_revocation" for span in collected(collector))


def third_parties(collector: HostileServer) -> list[Span]:
    return [span for span in collected(collector) if span.name == "third party" and span.trace_id.hex() == TRACE]


def assert_one_trace(collector: HostileServer) -> None:
    """Web, queue, worker and third party hang together below the caller's span, under the caller's request id."""
    found = [span for span in collected(collector) if span.trace_id.hex() == TRACE]
    names = {span.name for span in found}
    assert {"apply_async/integrations.deliver_revocation", "run/integrations.deliver_revocation"} <= names, names
    by_id = {span.span_id: span for span in found}
    request_ids = {attributes_of(span).get("keyrack.request_id") for span in found}
    assert request_ids == {REQUEST_ID}
    told = [span for span in found if span.name == "third party"]
    aliases = [attributes_of(span).get("keyrack.alias") for span in told]
    assert aliases.count("northwind") == 1
    for span in told:
        way = [span]
        while parent := by_id.get(way[-1].parent_span_id):
            way.append(parent)
        assert way[-1].parent_span_id.hex() == PARENT, [each.name for each in way]
    assert not [span for span in found if span.trace_state or span.events]


def test_a_request_that_fails_says_its_code_and_no_more(exported: InMemorySpanExporter) -> None:
    """The hook of the transport alone, as `record_request` sees it."""
    request = transport.TracedRequest("BREW", "anna.provider.example", "northwind")
    with pytest.raises(RuntimeError), spans.record_request(request):
        raise RuntimeError(CANARY)
    assert request.headers == {}
