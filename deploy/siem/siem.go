// Package siem contains what changetrail brings for the products that search its documents: the source
// of the data views, searches and dashboards, the Sigma rules, and the roles.
package siem

import (
	"embed"
	"io/fs"
)

//go:embed dashboards/*.yaml detections/*.yml roles/*.json
var files embed.FS

// Dashboards contains views.yaml, searches.yaml and dashboards.yaml, the source of the data views,
// searches and dashboards for OpenSearch Dashboards and Kibana; package internal/siem makes saved
// objects of it.
func Dashboards() fs.FS { return in("dashboards") }

// Detections contains the Sigma rules, one in a file. detections/testdata has, for each rule, events
// that it must find and events that it must not find.
func Detections() fs.FS { return in("detections") }

// Roles contains the roles for those who use the indexes: the sink that writes them, and analysts
// and auditors who read them. Each file is for one engine, in the form of its API: an object with
// the roles by name.
func Roles() fs.FS { return in("roles") }

func in(folder string) fs.FS {
	sub, _ := fs.Sub(files, folder) // fails only for a name that is no path
	return sub
}
