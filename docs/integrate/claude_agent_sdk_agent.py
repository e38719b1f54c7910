"""An agent of the Claude Agent SDK: Claude Code's own telemetry, and changetrail's tools to ask and tell with.

pip install claude-agent-sdk"""
import asyncio
import os

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

url, token = os.environ["CHANGETRAIL_URL"], os.environ["CHANGETRAIL_TOKEN"]
options = ClaudeAgentOptions(
    model=os.environ.get("MODEL", "claude-sonnet-4-5"),
    cwd=os.environ.get("WORKTREE", "."),
    permission_mode="acceptEdits",
    allowed_tools=["Read", "Write", "Edit", "mcp__changetrail"],
    mcp_servers={"changetrail": {"type": "http", "url": url + "/mcp", "headers": {"Authorization": "Bearer " + token}}},
    env={
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer " + token,
        "OTEL_LOG_TOOL_DETAILS": "1",  # what tools are given; secrets in it are taken out on the way
        "OTEL_RESOURCE_ATTRIBUTES": os.environ["OTEL_RESOURCE_ATTRIBUTES"],  # vcs.repository.url.full=…,vcs.change.id=…
    },
)


async def main():
    async for message in query(prompt="Fix CVE-2021-23337 in package.json.", options=options):
        if isinstance(message, ResultMessage):
            print(message.result)


asyncio.run(main())
