// Package sinks copies what the enricher wrote into search indexes. A message
// of the topics enriched and records is a finished document; its headers say
// where it belongs. A sink passes the bytes through.
//
// Nothing is lost and nothing stands twice: offsets are committed only once an
// [Engine] has acknowledged every document before them, a repeat finds its own
// id, and an older revision finds a newer one. What an engine will never take
// goes to the dead letters with its reason, and the rest goes on.
package sinks
