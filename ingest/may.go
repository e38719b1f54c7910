package ingest

import (
	"slices"
	"strings"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// kindOf is the kind of a fact in the lists of what credentials may state, "" where no
// platform's word on it proves anything.
func kindOf(f record.Fact) string {
	switch f.(type) {
	case *record.Opened, *record.Updated, *record.Merged, *record.Closed:
		return settings.Changes
	case *record.Pushed:
		return settings.Pushes
	case *record.Review:
		return settings.Reviews
	case *record.Approval:
		return settings.Approvals
	case *record.Validation:
		return settings.Tests
	case *record.Scan:
		return settings.Scans
	case *record.Deployment:
		return settings.Deployments
	case *record.GateDecision:
		return settings.Gates
	case *record.Request:
		return settings.Requests
	}
	return ""
}

// allowKind refuses what a credential may not state.
func allowKind(who identity.Principal, e *Event) error {
	if only := platform.Webhook(e.Envelope.Type); only != "" && who.Name != "" && !who.Webhook {
		return schemas.Refuse(schemas.NotTheSenders, "events of type %s come as verified webhooks of %s alone, and this one came with the credential %s; send the webhook to /v1/webhooks/%s, or state the fact as an event of changetrail's own", e.Envelope.Type, only, who.Name, only)
	}
	kind := kindOf(e.Fact)
	if who.Platform == "" || len(who.May) == 0 || kind == "" || slices.Contains(who.May, kind) {
		return nil
	}
	return schemas.Refuse(schemas.NotTheSenders, "the credential %s may state %s, and this is of the kind %s; add that to its may in the credentials, if it is to state such facts", who.Name, strings.Join(who.May, ", "), kind)
}
