// Package web serves the pages that people read, and the same as JSON: an overview, search, the
// story of a change, and the evidence itself. Its sentences are those of package say; pages, plots and
// time lines are Go functions here, which make HTML and SVG.
//
// Pages are made on the server, need no script to be read, load nothing from
// elsewhere and run under a content security policy that allows neither inline
// scripts nor inline styles. They are the same over the embedded index,
// OpenSearch and Elasticsearch.
//
// It imports access, controls, evidence, nearest, query, record, replay, say, schemas, secrets and
// signin.
package web
