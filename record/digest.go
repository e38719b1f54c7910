package record

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest returns the digest of content as every name of a digest here has it:
// sha256:hex.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
