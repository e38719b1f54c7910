// Package evidence reads the reports of other people's tools, scanners and
// test runners, into the models of package record.
//
// A report is told by its content, never by its name. Reading is bounded: a
// report unpacks to at most [MaxReport] bytes, and what is kept of it is
// bounded too. A reader says that a scan is clean only where the report shows
// that something was scanned.
//
// It may import package record and parsers. It does no I/O.
package evidence
