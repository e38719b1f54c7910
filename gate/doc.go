// Package gate answers whether a change may be merged now: allowed or denied, with the reasons, what
// is missing and who can give it. It also answers whether a commit may be deployed: whether the
// record of the change whose merge made it says that the merge was authorized and reviewed.
//
// The answer is what the record would say if the newest commit were merged at this moment
// (enricher.PreviewOf), from everything that the broker has accepted (enricher.View). So the gate
// cannot allow what the record calls unauthorized or unreviewed afterwards. It never asks a search
// index, which lags, and never allows anything because something is unknown.
//
// [Actions] answer another question: whether a tool of an agent may run now. The policy in force and
// the approvals that people gave before the work decide.
//
// It may import record, policy, enricher, gate/approvals and gate/ask. It does not know HTTP or Kafka.
package gate
