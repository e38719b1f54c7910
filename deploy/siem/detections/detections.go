// Package detections contains the Sigma rules of changetrail, one in a file.
//
// testdata has, for each rule, events that it must find and events that it must not find.
package detections

import "embed"

// Files are the rules.
//
//go:embed *.yml
var Files embed.FS
