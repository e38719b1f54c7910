// Package evidence reads the reports of other people's tools, scanners and
// test runners, into the models of package record, and compares bills of
// materials.
//
// A report is told by its content, never by its name (format.go). Reading is
// bounded: a report unpacks to at most [MaxReport] bytes, streams are read
// object by object, and what is kept is bounded too. A reader says that a scan
// is clean only where the report shows that something was scanned. A severity
// that the report does not state is unknown.
//
// A format is known by what its tool always writes and no other one does
// (scanformats.go). What a reader does not understand is left out and noted
// ([Result].Partial): such a report is never clean. A reader of scans collects
// its findings in a scan (scan.go), which decides what is one finding and keeps
// it within the limits of a record (finding.go).
//
// It does no I/O.
package evidence
