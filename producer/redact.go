package producer

import (
	"context"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/changetrail/changetrail/schemas"
)

// Extensions that say what was done to the content of an event.
const (
	extensionContent  = "contentmode" // how much content is kept
	extensionRedacted = "redacted"    // the rules that found secrets, separated by commas
)

// Redact removes secrets from an event: from its data and its attributes. It records in the event
// how much of the content is kept, and what was found. Data that is not text stays unchanged.
func Redact(ctx context.Context, e *event.Event, r Redactor) error {
	rules, err := redactData(ctx, e, r)
	if err != nil {
		return err
	}
	more, err := redactAttributes(ctx, e, r)
	if err != nil {
		return err
	}
	if rules = append(rules, more...); len(rules) > 0 {
		e.SetExtension(extensionRedacted, strings.Join(slices.Compact(slices.Sorted(slices.Values(rules))), ","))
	}
	return nil
}

func redactData(ctx context.Context, e *event.Event, r Redactor) ([]string, error) {
	data := e.Data()
	if len(data) == 0 {
		return nil, nil
	}
	data, rules, err := schemas.Redact(ctx, r, e.DataContentType(), data)
	if err != nil {
		return nil, err
	}
	e.DataEncoded, e.DataBase64 = data, false
	e.SetExtension(extensionContent, r.String())
	return rules, nil
}

// form lists the extensions whose form allows only a digest, a time, a trace or a fixed word, and
// those that the gateway sets.
var form = []string{"dataref", "arrivedat", "imported", "authtype", "authid", "authmac", "maskedafter", extensionContent, extensionRedacted}

// redactAttributes replaces secrets in the id, the source and the subject of an event, and in its
// other attributes.
func redactAttributes(ctx context.Context, e *event.Event, r Redactor) (rules []string, err error) {
	redact := func(name, value string, set func(string)) {
		if err != nil || value == "" {
			return
		}
		out, found, failed := r.Attribute(ctx, name, value)
		if err = failed; len(found) > 0 {
			set(out)
			rules = append(rules, found...)
		}
	}
	redact("id", e.ID(), e.SetID)
	redact("source", e.Source(), e.SetSource)
	redact("subject", e.Subject(), e.SetSubject)
	redact("dataschema", e.DataSchema(), e.SetDataSchema)
	for name, value := range e.Extensions() {
		if text, bad := types.Format(value); bad == nil && !slices.Contains(form, name) {
			redact(name, text, func(s string) { e.SetExtension(name, s) })
		}
	}
	return rules, err
}
