// Package query reads searches in Lucene's query syntax, as Kibana and
// OpenSearch Dashboards take it, and holds the saved queries.
//
// One tree drives every index: [DSL] writes it for Elasticsearch and
// OpenSearch, and sinks/local answers it itself, so that one text finds the same
// records everywhere. The syntax is that of Lucene's classic query parser
// (org.apache.lucene.queryparser.classic), as the engines' query_string reads
// it; what is left out of it (regular expressions, fuzzy and near words, boosts)
// is refused with a reason, never guessed at.
//
// It imports record and schemas.
package query
