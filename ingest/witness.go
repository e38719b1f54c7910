package ingest

import (
	"strings"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// WitnessOf returns the witness of a fact that came with a credential: of an agent
// ([record.Signed]), of a platform ([record.Observed]) or of a person ([record.Human]). Nothing
// else is a credential. A sender proves what it sees or does itself; everything else that it says
// is a claim.
func WitnessOf(credential string, f record.Fact) string {
	of := record.Observed
	switch f.(type) {
	case *record.Decision, *record.Action, *record.Spans:
		of = record.Signed
	case *record.Review, *record.Approval, *record.Request:
		if credential == record.Human {
			of = record.Human
		}
	}
	if credential != of {
		return record.Claimed
	}
	return of
}

// witness returns the witness of an event: by the credential that a gateway signed for it, or by
// what the operator trusts without one.
func (r Reader) witness(e *Event) string {
	if _, own := e.Fact.(*record.BreakGlass); own && e.Sender != record.SenderPlatform+identity.Own {
		return record.Claimed // whatever the operator trusts
	}
	if e.Sender == "" {
		return r.unsigned(e)
	}
	if only := platform.Webhook(e.Envelope.Type); only != "" && e.Sender != record.SenderPlatform+only {
		return record.Claimed
	}
	if account, ok := strings.CutPrefix(e.Sender, record.SenderPerson); ok && !ownWord(account, e.Fact) {
		return record.Claimed
	}
	return WitnessOf(schemas.CredentialOf(e.Sender), e.Fact)
}

// ownWord reports whether a fact is a person's statement about their own act.
func ownWord(account string, f record.Fact) bool {
	switch f := f.(type) {
	case *record.Review:
		return strings.EqualFold(account, f.Reviewer)
	case *record.Approval:
		return strings.EqualFold(account, f.Approver)
	case *record.Request:
		return f.Author == "" || strings.EqualFold(account, f.Author)
	}
	return false
}
