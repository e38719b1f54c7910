package gateway

import (
	"net/url"
	"path"
	"strings"
)

// ownSource is the prefix of the sources of changetrail's own events.
const ownSource = "/changetrail"

// commandLine is the default source of events that people send with changetrail's commands. It
// proves nothing.
const commandLine = ownSource + "/cli"

// isOwn reports whether a source is, or looks like, one of changetrail's own events.
func isOwn(source string) bool {
	source = strings.ToLower(strings.TrimSpace(source))
	if unescaped, err := url.PathUnescape(source); err == nil {
		source = unescaped
	}
	clean := path.Clean("/" + source)
	return source != commandLine && (clean == ownSource || strings.HasPrefix(clean, ownSource+"/"))
}
