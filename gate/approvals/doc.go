// Package approvals keeps the approvals that people give before the work of agents, decides which
// changes use them, and puts them on the stream.
//
// All of it is in one topic with one partition: grants, requests of agents, refusals of requests,
// revocations, and uses. A [Book] is a copy of the topic. The order of the topic decides everything,
// above all which change got the last use of a grant: whoever uses a grant writes a use, reads it
// back, and looks whether it counts. Each entry is signed. One without a valid signature counts for
// nothing and is reported.
//
// A record does not know grants. An [Applier] puts the grants that a change uses on the stream, as
// approvals that changetrail observed, and the record judges them as all others.
//
// It may import record, policy, stream and enricher. It does not know HTTP.
package approvals
