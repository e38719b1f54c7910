"""An agent of Pydantic AI: it speaks OpenTelemetry by itself.

pip install 'pydantic-ai-slim[openai]' opentelemetry-exporter-otlp-proto-http"""
import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))

agent = Agent(OpenAIChatModel(os.environ.get("MODEL", "gpt-5")), name="patch-pilot", instructions="Update what has a known weakness.")


@agent.tool_plain
def read_file(path: str) -> str:
    """Read a file of the repository."""
    return '{"dependencies": {"lodash": "4.17.20"}}'


@agent.tool_plain
def write_file(path: str, content: str) -> str:
    """Write a file of the repository."""
    return "written"


print(agent.run_sync("Fix CVE-2021-23337 in package.json.").output)
provider.shutdown()  # sends what is left
