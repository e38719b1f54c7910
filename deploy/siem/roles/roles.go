// Package roles contains the roles for those who use the indexes: the sink that writes them, and
// analysts and auditors who read them.
package roles

import "embed"

// Files are the roles for Elasticsearch and OpenSearch, in the form of the engines' APIs: an object
// for each engine with the roles by name.
//
//go:embed *.json
var Files embed.FS
