// Package masking looks in what is stored for secrets that the rules of today find, and makes
// copies without them.
//
// Nothing is changed in place: a topic cannot be rewritten, and a file is kept under the
// digest of its bytes. A [Masker] makes a copy of each event and each file, which then take
// the place of what was there (package archive copies them, package standalone puts them into
// place). A copy says of itself that it is one: an event by its attribute maskedafter
// ([record.Masking]), which its signature covers, a file by another digest, which all that
// named the former one names now.
//
// What the rules find is never in a report, nor in an error.
package masking
