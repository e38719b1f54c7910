// Package enricher joins what is said about a change into its record. It reads
// events, attaches the scan reports, CI results and reviews that belong to a
// change, looks up its service and its controls, and writes each event with
// that knowledge (topic enriched) and the newest revision of each record
// (topic records), exactly once.
//
// What it needs to fold again is kept in a local store that mirrors a
// changelog topic (topic state): the facts of each change, and boards, where
// evidence waits under the commit, report or finding that it is about.
//
// It may import record, schemas, evidence, policy, controls and stream.
package enricher
