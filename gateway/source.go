package gateway

import (
	"net/url"
	"path"
	"strings"
)

// ownSource is where the sources of changetrail's own events begin.
const ownSource = "/changetrail"

// commandLine is the source of what people send with changetrail's commands, where they set
// no other. It vouches for nothing.
const commandLine = ownSource + "/cli"

// isOwn reports whether a source is one under which changetrail itself speaks, or reads as
// one.
func isOwn(source string) bool {
	source = strings.ToLower(strings.TrimSpace(source))
	if unescaped, err := url.PathUnescape(source); err == nil {
		source = unescaped
	}
	clean := path.Clean("/" + source)
	return source != commandLine && (clean == ownSource || strings.HasPrefix(clean, ownSource+"/"))
}
