// Package pending knows the open changes: what the gate would answer about each of them now, and
// which of them wait for a person, since when.
//
// A [Follower] reads all changes from the copy of the enrichers' state when it starts
// (enricher.View), and after that only those that differ. Its answers are as new as that copy: they
// are for lists and for whoever wants to know that something changed. Whoever allows a merge asks the
// gate, which also asks the broker.
//
// It may import gate, enricher, policy and record. It does not know HTTP or Kafka.
package pending
