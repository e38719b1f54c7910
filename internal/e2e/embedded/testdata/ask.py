"""Uses changetrail's tools with the PyPI package mcp, and prints what they answer.

ask.py RUN http URL TOKEN | ask.py RUN stdio PROGRAM ARGUMENT…"""
import asyncio
import json
import os
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

run, how, where, *rest = sys.argv[1:]
repository = {} if how == "stdio" else {"repository": "github.com/acme/payments"}  # beside the agent, git says it


async def main():
    if how == "http":
        server = streamable_http_client(where, http_client=httpx2.AsyncClient(headers={"Authorization": "Bearer " + rest[0]}))
    else:
        server = StdioServerParameters(command=where, args=rest, env=dict(os.environ), cwd=os.getcwd())
    async with Client(server) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        prompt = await client.get_prompt("record_why", {"task": "fix CVE-2021-23337"})
        may = await client.call_tool("check_authorization", {"paths": ["package.json"], **repository})
        report = open(os.environ["REPORT"], encoding="utf-8").read()
        attached = await client.call_tool("attach_evidence", {"kind": "scan", "content": report, "commit": "5e0c9d0a8f1b", **repository})
        decided = await client.call_tool("record_decision", {
            "run": run, "paths": ["package.json"], **repository,
            "trigger": {"kind": "scan", "digest": attached.structured_content["digest"], "finding": attached.structured_content["ids"][0]},
            "options": [{"id": "update", "outcome": "chosen"}, {"id": "wait", "outcome": "rejected", "reason": "it can be reached"}],
        })
        wrong = await client.call_tool("record_decision", {"agent": "another", **repository})
        print(json.dumps({
            "tools": tools, "prompt": prompt.messages[0].content.text, "may": may.structured_content, "attached": attached.structured_content,
            "decided": decided.structured_content, "wrong": wrong.content[0].text if wrong.is_error else "",
        }))


asyncio.run(main())
