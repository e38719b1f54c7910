"""An agent of LangGraph: a callback of LangChain tells of each call of a tool, over plain HTTP."""
import json
import os
import urllib.request
from datetime import datetime, timezone

from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_openai import ChatOpenAI


class Changetrail(BaseCallbackHandler):
    def __init__(self, change, agent, run):
        self.change, self.agent, self.calls = change, {"id": agent, "run": run}, {}

    def on_tool_start(self, serialized, input_str, *, run_id, inputs=None, **_):
        self.calls[run_id] = {"tool": serialized["name"], "arguments": inputs}

    def on_tool_end(self, output, *, run_id, **_):
        self.tell(run_id, "failure" if getattr(output, "status", "") == "error" else "success", getattr(output, "content", str(output)))

    def on_tool_error(self, error, *, run_id, **_):
        self.tell(run_id, "failure", repr(error))

    def tell(self, run_id, outcome, result):
        event = {"specversion": "1.0", "id": str(run_id), "source": "/agents/" + self.agent["id"], "type": "dev.changetrail.action.performed.v1",
                 "subject": self.change, "time": datetime.now(timezone.utc).isoformat(), "datacontenttype": "application/json",
                 "data": {"agent": self.agent, "outcome": outcome, "result": result} | self.calls.pop(run_id)}
        urllib.request.urlopen(urllib.request.Request(os.environ["CHANGETRAIL_URL"] + "/v1/events", json.dumps(event).encode(), {
            "Content-Type": "application/cloudevents+json", "Authorization": "Bearer " + os.environ["CHANGETRAIL_TOKEN"]}), timeout=10)


def read_file(path: str) -> str:
    """Read a file of the repository."""
    return '{"dependencies": {"lodash": "4.17.20"}}'


agent = create_agent(ChatOpenAI(model=os.environ.get("MODEL", "gpt-5")), tools=[read_file])
agent.invoke({"messages": [("user", "Fix CVE-2021-23337.")]}, {"callbacks": [Changetrail(os.environ["CHANGE"], "patch-pilot", "nightly-1")]})
