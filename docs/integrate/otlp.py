"""Any agent, with OpenTelemetry's own SDK: a span for the run, one for each call of a tool.

Where it is sent, and about which repository it is, stands in the environment:
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES."""
import json

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("patch-pilot")


def call(tool, arguments, run):
    """Calls a tool, and says so as the conventions for generative AI have it."""
    with tracer.start_as_current_span("execute_tool " + tool) as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", tool)
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps(arguments))
        result = run(**arguments)  # what is raised here ends the span as a failure
        span.set_attribute("gen_ai.tool.call.result", json.dumps(result))
        return result


with tracer.start_as_current_span("invoke_agent patch-pilot") as span:
    span.set_attribute("gen_ai.operation.name", "invoke_agent")
    span.set_attribute("gen_ai.agent.name", "patch-pilot")
    call("read_file", {"path": "package.json"}, lambda path: '{"dependencies": {"lodash": "4.17.20"}}')
    call("write_file", {"path": "package.json", "content": "…"}, lambda path, content: "written")
provider.shutdown()  # sends what is left
