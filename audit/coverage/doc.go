// Package coverage finds out from the topics how complete a population can be: from when on events are
// kept, whether all of them were processed, which messages were refused, and which numbers are missing
// among the events of senders that number them.
//
// It reads topics and changes nothing. It imports audit, enricher, schemas and stream.
package coverage
