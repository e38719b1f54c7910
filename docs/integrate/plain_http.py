"""An agent records its decision over plain HTTP: the standard library will do."""
import json
import os
import urllib.request
import uuid
from datetime import datetime, timezone

event = {
    "specversion": "1.0",
    "id": str(uuid.uuid4()),  # sent again with the same id, it is the same event
    "source": "/agents/patch-pilot",
    "type": "dev.changetrail.decision.recorded.v1",
    "subject": os.environ["CHANGE"],  # github.com/acme/payments/pull/4829
    "time": datetime.now(timezone.utc).isoformat(),
    "datacontenttype": "application/json",
    "data": {
        "agent": {"id": "patch-pilot", "run": os.environ.get("RUN", "nightly-1")},
        "trigger": {"kind": "scan", "finding": "CVE-2021-23337"},
        "options": [
            {"id": "update", "outcome": "chosen", "reason": "4.17.21 has the fix and changes no API"},
            {"id": "replace", "outcome": "rejected", "reason": "lodash is used in 41 files"},
        ],
    },
}
request = urllib.request.Request(
    os.environ["CHANGETRAIL_URL"] + "/v1/events",
    data=json.dumps(event).encode(),
    headers={"Content-Type": "application/cloudevents+json", "Authorization": "Bearer " + os.environ["CHANGETRAIL_TOKEN"]},
)
with urllib.request.urlopen(request, timeout=10) as response:
    print(response.status)  # 204: the broker has it. 202: it is safe on the gateway's disk
