// Package siem makes the saved objects for OpenSearch Dashboards and Kibana: data views, saved
// searches, saved queries, and dashboards with their panels. Their source is deploy/siem/dashboards,
// the saved queries of package query, and the mappings of package schemas. It writes them as NDJSON
// and imports them.
//
// It imports the packages of these sources, and no client of a search engine.
package siem
