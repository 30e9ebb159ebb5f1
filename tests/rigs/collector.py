"""An OpenTelemetry collector: takes spans over HTTP, as Jaeger or Tempo would, and keeps them."""

import contextlib
import gzip
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Span:
    """One span; IDs in hexadecimal, `parent` "" for the first of a trace."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    text: str  # everything that was sent about it


@dataclass
class Collector:
    """What was received so far; `url` is the endpoint."""

    url: str
    spans: list[Span] = field(default_factory=list)

    def wait_for(self, *names: str, seconds: float = 60) -> list[Span]:
        """Return the spans of the trace that has all of these names."""
        deadline = time.monotonic() + seconds
        while True:
            traces: dict[str, list[Span]] = {}
            for span in list(self.spans):
                traces.setdefault(span.trace, []).append(span)
            for spans in traces.values():
                if set(names) <= {span.name for span in spans}:
                    return spans
            assert time.monotonic() < deadline, sorted({span.name for span in self.spans})
            time.sleep(0.2)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.spans += _read(ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _read(request) -> Iterator[Span]:
    for resource in request.resource_spans:
        facts = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes}
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                yield Span(span.name, facts["service.name"], *ids, attributes, str(span))
