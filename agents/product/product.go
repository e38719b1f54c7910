// Package product names the products whose hooks and telemetry are read, and bounds what is kept of
// one call of a tool.
package product

import (
	"strconv"

	"github.com/changetrail/changetrail/internal/digests"
)

// The products whose hook and whose telemetry report the same calls.
const (
	ClaudeCode = "claude-code"
	Codex      = "codex"
)

// MaxContent is how many bytes of the arguments or of the result of one call are sent.
const MaxContent = 256 << 10

// Bounded returns v if it is not too large to be sent, and otherwise its size and its digest in JSON.
func Bounded(v []byte) []byte {
	if len(v) <= MaxContent {
		return v
	}
	return []byte(`{"omitted_bytes":` + strconv.Itoa(len(v)) + `,"sha256":"` + digests.Of(v) + `"}`)
}
