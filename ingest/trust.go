package ingest

import (
	"slices"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/record"
)

// trusted returns the first rule for the source of an unsigned event, or nil.
func (r Reader) trusted(source string) *settings.Trust {
	for i := range r.Trust {
		if r.Trust[i].Covers(source) {
			return &r.Trust[i]
		}
	}
	return nil
}

// unsigned returns the witness of an unsigned event. An event that only webhooks may send is a
// claim, since only a gateway verifies webhooks.
func (r Reader) unsigned(e *Event) string {
	t := r.trusted(e.Source)
	if t == nil || platform.Webhook(e.Envelope.Type) != "" {
		return record.Claimed
	}
	if kind := kindOf(e.Fact); kind != "" && len(t.May) > 0 && !slices.Contains(t.May, kind) {
		return record.Claimed
	}
	return WitnessOf(t.As, e.Fact)
}
