// Package detect turns the Sigma rules of deploy/siem/detections into the detections of products:
// rules of Elastic Security, monitors of OpenSearch Alerting, and documents of OpenSearch Security
// Analytics.
//
// It reads the subset of Sigma that these rules use, and refuses everything else: an unknown key,
// modifier, field or condition is an error, never a rule that finds something else. Every field is
// one of the mapping of its index, so that a rule cannot ask for what no document has. Unlike Sigma
// in general, values are compared as the engines compare keywords: the case matters.
//
// A rule becomes a tree of package query. From that tree come the Lucene text of an Elastic rule and
// the query DSL of a monitor. The same rules give the same bytes.
//
// It imports query, strictyaml and mistake, and does no I/O.
package detect
