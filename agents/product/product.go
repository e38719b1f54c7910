// Package product names the products whose hooks and telemetry are read, and bounds what
// is kept of one call of a tool.
package product

import (
	"strconv"

	"github.com/changetrail/changetrail/internal/digests"
)

// Products of which a hook and telemetry tell the same.
const (
	ClaudeCode = "claude-code"
	Codex      = "codex"
)

// MaxContent is how much of the arguments or the result of one call is sent, in
// bytes.
const MaxContent = 256 << 10

// Bounded is content that is not too large to be sent; else what it was, in JSON.
func Bounded(v []byte) []byte {
	if len(v) <= MaxContent {
		return v
	}
	return []byte(`{"omitted_bytes":` + strconv.Itoa(len(v)) + `,"sha256":"` + digests.Of(v) + `"}`)
}
