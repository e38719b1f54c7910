// Package web serves the pages that people read, and the same as JSON: search,
// the story of a change, and the evidence itself.
//
// Pages are made on the server, need no script to be read, load nothing from
// elsewhere and run under a content security policy that allows neither inline
// scripts nor inline styles. They are the same over the embedded index,
// OpenSearch and Elasticsearch.
//
// It imports access, evidence, query, record, replay and schemas.
package web
