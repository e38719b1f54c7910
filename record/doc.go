// Package record defines what changetrail knows about one change: the words
// (repository, change, event, finding), the facts that events state, and the
// fold that turns a set of facts into one [Record].
//
// Everything else in this module moves, extends or reads a Record. A Record is
// a pure function of the set of its events: neither the order in which they
// arrive nor how often each arrives matters, so every service may stop,
// re-read and start again at any time. What is true is decided by the times
// inside the evidence and by the commits it names, never by when a message
// came in.
//
// The tags on the types are the single source for three artefacts that package
// schemas derives from them and a test keeps in step: the JSON Schemas of the
// events and documents (`schema`, `doc`), and the index mappings (`index`).
//
// This package imports only the standard library and package ecosystem. It does
// no I/O and reads no clock.
package record
