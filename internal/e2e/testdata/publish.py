"""Publishes CloudEvents from JSON lines with the PyPI packages cloudevents and
confluent-kafka, in binary mode: publish.py BROKER TOPIC FILE"""
import json
import sys
from datetime import datetime

from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Producer

broker, topic, path = sys.argv[1:]
producer = Producer({"bootstrap.servers": broker, "acks": "all", "enable.idempotence": True})
failed = []
for line in open(path, encoding="utf-8"):
    attributes = json.loads(line)
    data = attributes.pop("data")
    attributes["time"] = datetime.fromisoformat(attributes["time"].replace("Z", "+00:00"))
    message = kafka.to_binary_event(CloudEvent(attributes, data))
    key = message.key.encode() if isinstance(message.key, str) else message.key
    headers = [(k, v if isinstance(v, bytes) else v.encode()) for k, v in dict(message.headers).items()]
    producer.produce(topic, key=key, value=message.value, headers=headers,
                     on_delivery=lambda err, _: failed.append(err) if err else None)
producer.flush(30)
if failed:
    sys.exit(f"not delivered: {failed}")
print("published with cloudevents and confluent-kafka")
