// Package sinks copies the output of the enricher into search indexes and to other receivers. A
// message of the topics enriched and records is a finished document; its headers say which index it
// belongs to. A sink passes the bytes of a document through unchanged, unless the receiver's format
// demands another encoding.
//
// Nothing is lost and nothing is stored twice. Offsets are committed only once an [Engine] has
// acknowledged every document before them. A repeated event has the same id as before, and an older
// revision does not replace a newer one. A receiver that only appends, such as Splunk, gets each
// revision of a record as a new document, and a repeat with the same id and revision. A document that
// an engine will never accept goes to the dead letters with its reason, and the others are stored.
package sinks
