// Package digests names content by its SHA-256, in the only form that digests have here: sha256:
// and 64 hex digits in lower case.
package digests

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

const prefix = "sha256:"

// Of returns the digest of content.
func Of(content []byte) string {
	sum := sha256.Sum256(content)
	return prefix + hex.EncodeToString(sum[:])
}

// Sum returns the digest of the bytes that were written to a SHA-256.
func Sum(h hash.Hash) string { return prefix + hex.EncodeToString(h.Sum(nil)) }

// Is reports whether s has the form of a digest.
func Is(s string) bool {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
