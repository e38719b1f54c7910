package schemas

import (
	"errors"
	"mime"
	"strings"
)

// Media returns the media type of a content type: in lower case, without parameters; "" if there is
// none. All content types are read with it.
func Media(contentType string) string {
	if contentType == ContentTypeJSON || contentType == ContentTypeEvent { // usually
		return contentType
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		media, _, _ = strings.Cut(contentType, ";") // unreadable parameters do not affect the type
		if media, _, err = mime.ParseMediaType(media); err != nil {
			return ""
		}
	}
	if !strings.Contains(media, "/") {
		return ""
	}
	return media
}

// IsJSON reports whether a content type is JSON. An event without one has JSON data.
func IsJSON(contentType string) bool {
	media := Media(contentType)
	return media == ContentTypeJSON || strings.HasSuffix(media, "+json") || contentType == ""
}
