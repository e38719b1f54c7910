"""An agent of the OpenAI Agents SDK: its traces go to changetrail as they are.

pip install openai-agents opentelemetry-instrumentation-openai-agents-v2 opentelemetry-exporter-otlp-proto-http"""
import os

from agents import Agent, Runner, function_tool
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

# What tools are given and give back is told, too; secrets in it are taken out on the way.
os.environ.setdefault("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)


@function_tool
def read_file(path: str) -> str:
    """Read a file of the repository."""
    return '{"dependencies": {"lodash": "4.17.20"}}'


@function_tool
def write_file(path: str, content: str) -> str:
    """Write a file of the repository."""
    return "written"


agent = Agent(name="patch-pilot", model=os.environ.get("MODEL", "gpt-5"), instructions="Update what has a known weakness.", tools=[read_file, write_file])
print(Runner.run_sync(agent, "Fix CVE-2021-23337 in package.json.").final_output)
provider.shutdown()  # sends what is left
