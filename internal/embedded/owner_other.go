//go:build !unix

package embedded

import "io/fs"

// ownedByUs cannot be told here: folders of a person are closed to others by default.
func ownedByUs(fs.FileInfo) bool { return true }
