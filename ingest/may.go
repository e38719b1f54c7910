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

// kindOf returns the kind of a fact in the list of kinds that a credential may state, or "" if no
// platform can prove such a fact.
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

// allowKind refuses kinds of facts that a credential may not state.
func allowKind(who identity.Principal, e *Event) error {
	if only := platform.Webhook(e.Envelope.Type); only != "" && who.Name != "" && !who.Webhook {
		return schemas.Refuse(schemas.NotTheSenders, "events of type %s are accepted only as verified webhooks of %s, but this one came with the credential %s; send the webhook to /v1/webhooks/%s, or state the fact as an event of changetrail's own", e.Envelope.Type, only, who.Name, only)
	}
	kind := kindOf(e.Fact)
	if who.Platform == "" || len(who.May) == 0 || kind == "" || slices.Contains(who.May, kind) {
		return nil
	}
	return schemas.Refuse(schemas.NotTheSenders, "the credential %s may state only %s, but this fact is of kind %s; to allow it, add the kind to may of the credential", who.Name, strings.Join(who.May, ", "), kind)
}
