// Package query parses searches in Lucene's query syntax, as Kibana and OpenSearch Dashboards
// accept it, and contains the saved queries.
//
// One tree serves every index: [DSL] translates it for Elasticsearch and OpenSearch, and
// sinks/local evaluates it itself, so that one text finds the same records everywhere. The syntax
// is that of Lucene's classic query parser (org.apache.lucene.queryparser.classic), as the engines'
// query_string reads it. Unsupported parts of it (regular expressions, fuzzy and proximity
// searches, boosts) are refused with a reason, never guessed.
//
// It imports record and schemas.
package query
