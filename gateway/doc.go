// Package gateway takes events over HTTP from agents, code hosts
// and CI systems, finds out who speaks, and puts what they say on the stream.
//
//	POST /v1/events             CloudEvents: binary, structured, batch
//	POST /v1/webhooks/github    signed webhooks, kept as they are
//	POST /v1/webhooks/gitlab    the same, by token or signature
//	POST /v1/webhooks/jira      signed webhooks; the settings say in which repositories work on a project is done
//	POST /v1/traces, /v1/logs   OTLP over HTTP; over gRPC on the same address
//	PUT  /v1/blobs              a file, kept under its digest
//	GET  /v1/blobs/{digest}
//
// A request is answered with 2xx once the broker has its events on all in-sync
// replicas: 204. Where the broker is away and the gateway has a spool, they are
// safe on its disk, and the answer is 202. Of a batch all events are taken or none.
//
// The gateway says of each event who sent it (authtype, authid, with a keyed digest
// over both and the event); what a client says of that is dropped. A credential
// that is bound to an agent speaks as that agent alone: an event in the name of
// another is refused, and that it was sent is an event of its own.
package gateway
