package schemas

import (
	"context"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Rules find secrets (package secrets), and replace them. They return the names of those that found
// some.
type Rules interface {
	JSON(ctx context.Context, data []byte, verbatim func(path []string) bool) (redacted []byte, rules []string, err error)
	Text(ctx context.Context, text string) (redacted string, rules []string, err error)
}

// Redact replaces the secrets in the data of an event. Data that is neither JSON nor text stays
// unchanged.
func Redact(ctx context.Context, r Rules, media string, data []byte) (redacted []byte, rules []string, err error) {
	switch {
	case IsJSON(media) || jsontext.Value(data).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)):
		return r.JSON(ctx, data, Verbatim)
	case utf8.Valid(data):
		var text string
		text, rules, err = r.Text(ctx, string(data))
		return []byte(text), rules, err
	}
	return data, nil, nil
}
