// Package masking searches stored data for secrets that today's rules find, and makes copies
// without them.
//
// Nothing is changed in place: a topic cannot be rewritten, and a file is kept under the digest of
// its bytes. A [Masker] makes a copy of each event and each file; the copies then replace the
// originals (package archive copies them, package standalone swaps them). A copy says that it is
// one: an event by its attribute maskedafter ([record.Masking]), which its signature covers; a file
// by its new digest, which replaces the former one in all events that named it.
//
// The secrets themselves are never in a report, nor in an error.
package masking
