// Package web serves the pages that people read, and the same as JSON: an overview, search, the
// story of a change, and the evidence itself. Its sentences are those of package say; pages, plots and
// time lines are Go functions here, which make HTML and SVG.
//
// Pages are made on the server, need no script to be read, load nothing from
// elsewhere and run under a content security policy that allows neither inline
// scripts nor inline styles. They are the same over the embedded index,
// OpenSearch and Elasticsearch.
//
// People decide on them what waits for a person, through a [Desk]. Each decision is one form, which works
// without a script; a script adds keys.
//
// It imports access, controls, evidence, gate, gate/approvals, gate/desk,
// gate/pending, nearest, policy, policy/whatif, query,
// record, replay, say, schemas, secrets, settings and signin.
package web
