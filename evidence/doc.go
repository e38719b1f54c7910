// Package evidence reads the reports of scanners and test runners into the models of package
// record, and compares bills of materials.
//
// The format of a report is detected from its content, never from its name (format.go). Reading is
// bounded: a report unpacks to at most [MaxReport] bytes, streams are read object by object, and
// the result is bounded, too. A reader says that a scan is clean only if the report shows that
// something was scanned. A severity that the report does not state is unknown.
//
// A format is recognized by what its tool always writes and no other tool does (scanformats.go).
// What a reader does not understand is skipped and recorded ([Result].Partial); such a report is
// never clean. A reader of scans collects its findings in a scan (scan.go), which merges equal
// findings and keeps them within the limits of a record (finding.go).
//
// It does no I/O.
package evidence
