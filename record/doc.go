// Package record defines what changetrail knows about one change: the terms (repository, change,
// event, finding), the facts that events state, and the fold that turns a set of facts into one
// [Record].
//
// Everything else in this module moves, extends or reads a Record. A Record is a pure function of
// the set of its events. Neither the order in which they arrive nor how often each arrives
// matters, so every service may stop, read again and restart at any time. The times inside the
// evidence and the commits that it names decide what is true, except where docs/trust.md says
// that the arrival decides.
//
// The tags on the types are the single source of three artefacts that package schemas derives
// from them and a test keeps up to date: the JSON Schemas of the events and documents (`schema`,
// `doc`), and the index mappings (`index`).
//
// This package imports only the standard library and packages address and ecosystem. It does no I/O and reads
// no clock.
package record
