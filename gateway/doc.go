// Package gateway accepts events over HTTP from agents, code hosts and CI systems, identifies their
// senders, and puts the events on the stream.
//
//	POST /v1/events             CloudEvents: binary, structured, batch
//	POST /v1/webhooks/github    signed webhooks, stored unchanged
//	POST /v1/webhooks/gitlab    the same, with a token or a signature
//	POST /v1/webhooks/jira      signed webhooks; the settings name the repositories of each project
//	POST /v1/traces, /v1/logs   OTLP over HTTP; over gRPC at the same address
//	PUT  /v1/blobs              a file, stored under its digest
//	GET  /v1/blobs/{digest}
//
// The answer to a request is 204 once the broker has its events on all in-sync replicas. If the
// broker is unreachable and the gateway has a spool, the events are safe on its disk, and the answer
// is 202. A batch is accepted as a whole or not at all.
//
// The gateway states in each event who sent it (authtype, authid, and a keyed digest of both and of
// the event), and drops what a client says about that. A credential of an agent is good for events
// of that agent only: an event in the name of another is refused, and the refusal becomes an event
// of its own.
package gateway
