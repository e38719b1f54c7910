// Package dashboards contains the source of the data views, searches and dashboards for
// OpenSearch Dashboards and Kibana; package internal/siem makes saved objects of it.
package dashboards

import "embed"

// Files are views.yaml, searches.yaml and dashboards.yaml.
//
//go:embed *.yaml
var Files embed.FS
