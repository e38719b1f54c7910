// Package enricher joins the events about a change into its record. It reads events, attaches the
// scan reports, CI results and reviews that belong to a change, and looks up its service and its
// controls. It writes each event with these facts (topic enriched) and the newest revision of
// each record (topic records), exactly once.
//
// What it needs to fold again is in a local store that mirrors a changelog topic (topic state):
// each fact under the change or repository that it is about, and by reference under the commits,
// reports, findings and runs that it names. keys.go lists the entries. Read apply.go first, which
// shows what happens to a batch, then projection.go and refs.go.
package enricher
