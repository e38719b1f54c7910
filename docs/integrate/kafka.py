"""An agent publishes its decision to Kafka, with cloudevents and confluent-kafka."""
import os
import sys
import uuid
from datetime import datetime, timezone

from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Producer

change = os.environ["CHANGE"]  # github.com/acme/payments/pull/4829
event = CloudEvent(
    {
        "id": str(uuid.uuid4()), "source": "/agents/patch-pilot", "type": "dev.changetrail.decision.recorded.v1", "specversion": "1.0",
        "subject": change, "time": datetime.now(timezone.utc), "datacontenttype": "application/json",
        "partitionkey": "/".join(change.split("/")[:-2]),  # the repository: what belongs together stays in order
    },
    {
        "agent": {"id": "patch-pilot", "run": "nightly-1"},
        "trigger": {"kind": "scan", "finding": "CVE-2021-23337"},
        "options": [{"id": "update", "outcome": "chosen"}, {"id": "wait", "outcome": "rejected", "reason": "it can be reached"}],
    },
)
failed = []
message = kafka.to_binary_event(event)
producer = Producer({"bootstrap.servers": os.environ["KAFKA"], "acks": "all", "enable.idempotence": True})
producer.produce(
    "changetrail.events", key=message.key, value=message.value, headers=list(message.headers.items()),
    on_delivery=lambda error, _: failed.append(error) if error else None,
)
producer.flush(10)
sys.exit(f"not delivered: {failed}" if failed else 0)
