package schemas

import (
	"errors"
	"mime"
	"strings"
)

// Media returns the media type in a content type: in lower case, without its
// parameters; "" where there is none. It is the one reader of content types.
func Media(contentType string) string {
	if contentType == ContentTypeJSON || contentType == ContentTypeEvent { // as a rule
		return contentType
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		media, _, _ = strings.Cut(contentType, ";") // parameters that cannot be read say nothing of the type
		if media, _, err = mime.ParseMediaType(media); err != nil {
			return ""
		}
	}
	if !strings.Contains(media, "/") {
		return ""
	}
	return media
}

// IsJSON reports whether a content type is one of JSON. An event that names none
// has data in JSON.
func IsJSON(contentType string) bool {
	media := Media(contentType)
	return media == ContentTypeJSON || strings.HasSuffix(media, "+json") || contentType == ""
}
