package schemas

import "strings"

// Media returns the media type in a content type: in lower case, without its
// parameters; "" where there is none. It is the one reader of content types.
func Media(contentType string) string {
	if contentType == ContentTypeJSON || contentType == ContentTypeEvent { // as a rule
		return contentType
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	kind, sub, ok := strings.Cut(media, "/")
	if !ok || kind == "" || sub == "" || strings.ContainsAny(media, " \t\r\n\",()<>@:\\[]?={}") || strings.Contains(sub, "/") {
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
