// Package enricher joins what is said about a change into its record. It reads
// events, attaches the scan reports, CI results and reviews that belong to a
// change, looks up its service and its controls, and writes each event with
// that knowledge (topic enriched) and the newest revision of each record
// (topic records), exactly once.
//
// What it needs to fold again is kept in a local store that mirrors a
// changelog topic (topic state): each fact under the change or repository that it is
// about, and by reference under the commits, reports, findings and runs that it names.
// keys.go lists the entries. Read apply.go first, which is what happens to a batch, then
// projection.go and refs.go.
package enricher
