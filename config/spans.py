"""Spans by OpenTelemetry: a request, the tasks that it starts, and each request to a third party.

Only what is listed here leaves the process. The instrumentations of Django and Celery also record addresses with their
query, user agents and messages of exceptions; each of these can hold a code, a token or a person's name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from foundation.oauth_client import transport
from foundation.request_ids import current_request_id

ALLOWED = frozenset({
    "http.method", "http.status_code", "http.route", "http.request.method", "http.response.status_code",
    "celery.action", "celery.task_name", "celery.state", "celery.retries", "messaging.message.id",
    "server.address", "error.type", "keyrack.alias", "keyrack.request_id",
})  # fmt: skip
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOT_TRACED = "/healthz,/readyz,/metrics,/static/"
BEHIND_REQUEST_IDS = 1  # position in MIDDLEWARE
EXPORT_SECONDS = 5
FLUSH_MILLISECONDS = 2000


def build_exporter() -> SpanExporter:
    """Build the exporter that sends spans to the collector, by OTLP over HTTP."""
    authorization = {"Authorization": settings.TRACES_AUTHORIZATION} if settings.TRACES_AUTHORIZATION else {}
    return OTLPSpanExporter(endpoint=settings.TRACES_ENDPOINT, headers=authorization, timeout=EXPORT_SECONDS)


def install_tracing(exporter: SpanExporter) -> None:
    """Trace requests, tasks and requests to third parties in this process, and export what `ALLOWED` names."""
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.TRACES_SAMPLE_RATIO)),
        resource=Resource.create({SERVICE_NAME: "keyrack"}),
    )
    provider.add_span_processor(RequestIds())
    provider.add_span_processor(BatchSpanProcessor(AllowedOnly(exporter)))
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(TraceContextTextMapPropagator())  # no baggage: it would carry texts of callers
    DjangoInstrumentor().instrument(
        tracer_provider=provider, middleware_position=BEHIND_REQUEST_IDS, excluded_urls=NOT_TRACED
    )
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]
    transport.trace_with(record_request)


def export_remaining() -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(FLUSH_MILLISECONDS)


class RequestIds(SpanProcessor):
    """Puts the request id, which is in each line of the log, on each span."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if name := current_request_id():
            span.set_attribute("keyrack.request_id", name)


# Third parties --------------------------------------------------------------------------------------------------------


@contextmanager
def record_request(request: transport.TracedRequest) -> Iterator[None]:
    """A span of one request to a third party, until its answer begins.

    With `TRACES_TO_THIRD_PARTIES`, the request carries a `traceparent`.
    """
    tracer = trace.get_tracer(__name__)
    with tracer.start_as_current_span(
        "third party", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
    ) as span:
        span.set_attribute("http.request.method", known_method(request.method))
        span.set_attribute("server.address", domain_of(request.host))
        if request.alias:
            span.set_attribute("keyrack.alias", request.alias)
        if settings.TRACES_TO_THIRD_PARTIES:
            request.headers = {"traceparent": trace_header()}
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", getattr(error, "code", "") or type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        span.set_attribute("http.response.status_code", request.status)
        if request.status >= 500:
            span.set_status(StatusCode.ERROR)


def trace_header() -> str:
    """The header of the current span (W3C Trace Context). Without tracestate, which may hold texts of a caller."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers["traceparent"]


def domain_of(host: str) -> str:
    """The end of a host's name: its beginning may name a person or their account, like "anna.provider.example"."""
    labels = host.split(".")
    return host if len(labels) <= 2 or labels[-1].isdigit() or ":" in host else f"*.{'.'.join(labels[-2:])}"


def known_method(method: str) -> str:
    return method if method in METHODS else "_OTHER"


# What leaves the process ----------------------------------------------------------------------------------------------


class AllowedOnly(SpanExporter):
    """Exports copies of spans without anything that is not in `ALLOWED`: no events, links, tracestate or messages."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.exporter.export([allowed_copy(span) for span in spans])

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.exporter.force_flush(timeout_millis)


def allowed_copy(span: ReadableSpan) -> ReadableSpan:
    attributes = allowed_attributes(span)
    return ReadableSpan(
        name=name_of(span, attributes),
        context=without_state(span.context),
        parent=without_state(span.parent),
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def allowed_attributes(span: ReadableSpan) -> dict[str, AttributeValue]:
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in ALLOWED}
    for event in span.events:
        if event.attributes and (kind := event.attributes.get("exception.type")):
            attributes["error.type"] = kind
    if "http.method" in attributes:
        attributes["http.method"] = known_method(str(attributes["http.method"]))
    return attributes


def name_of(span: ReadableSpan, attributes: dict[str, AttributeValue]) -> str:
    """The name of a span. That of a request is its method and route: an address that leads nowhere may be anything."""
    if span.kind is not SpanKind.SERVER:
        return span.name
    return f"{attributes.get('http.method', '_OTHER')} {attributes.get('http.route', '')}".strip()


def without_state(context: SpanContext | None) -> SpanContext | None:
    return context and SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
