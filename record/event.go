package record

import (
	"strings"
	"time"
)

// The event types of changetrail (CloudEvents attribute "type"). A type, once
// released, never changes its meaning.
const (
	TypeDecisionRecorded    = "dev.changetrail.decision.recorded.v1"
	TypeActionPerformed     = "dev.changetrail.action.performed.v1"
	TypeScanCompleted       = "dev.changetrail.scan.completed.v1"
	TypeValidationCompleted = "dev.changetrail.validation.completed.v1"
	TypeReviewSubmitted     = "dev.changetrail.review.submitted.v1"
	TypeApprovalGranted     = "dev.changetrail.approval.granted.v1"
	TypeChangeOpened        = "dev.changetrail.change.opened.v1"
	TypeChangeUpdated       = "dev.changetrail.change.updated.v1"
	TypeChangeMerged        = "dev.changetrail.change.merged.v1"
	TypeChangeClosed        = "dev.changetrail.change.closed.v1"
	TypeDeploymentFinished  = "dev.changetrail.deployment.finished.v1"
	TypeGateDecided         = "dev.changetrail.gate.decided.v1"
	TypeGateOverridden      = "dev.changetrail.gate.overridden.v1"
	TypeIdentityRefused     = "dev.changetrail.identity.refused.v1"
	TypeCommitsPushed       = "dev.changetrail.commits.pushed.v1"
	TypeEventNoted          = "dev.changetrail.event.noted.v1"
	TypeSpansReceived       = "dev.changetrail.spans.received.v1"
	TypeRunNamed            = "dev.changetrail.run.named.v1"
)

// An Event is one fact about one repository, from one source. Sender, Source and ID together are
// its identity: two events with the same three are one event.
type Event struct {
	// Sender is who sent it, by its credential: [SenderAgent] and the agent's id,
	// [SenderPlatform] and the credential's name, or [SenderPerson] and the account. It is empty
	// if no gateway checked a credential.
	Sender     string
	Source     string
	ID         string
	Type       string
	Repository Repository
	Change     ChangeID // empty if the fact names a commit or a report but no change
	// RepositoryID is the identity of the repository at its code host ([RepositoryID]), Named its
	// name there, and Former its name until now if the event reports a renaming. All are empty if
	// the event is not from a code host.
	RepositoryID  string
	Named, Former Repository
	Time          time.Time
	Arrived       time.Time // when it arrived at the broker; zero if unknown
	Imported      bool      // Arrived was stated with a credential that may import history
	Fact          Fact
	// Run is the name of the run of an event that does not name its repository: it is pending
	// until something in a repository names that run.
	Run string
	// Witness says how far the sender can be believed about this fact: Observed, Human, Signed or
	// Claimed; empty means Claimed. It is determined by the credential with which the event came,
	// never by the event's own content.
	Witness string
	// Altered says that its sender later sent other content under the same identity. The first
	// content counts.
	Altered bool
	// Masked says that the event was changed after it was stored, in the form of [Masking]; empty
	// if it was not.
	Masked string
	// Trace is the trace in which the event was sent (W3C trace context), if that shows to which
	// run it belongs.
	Trace string
	// Digest distinguishes events with one identity and different content.
	Digest string
	// Stored is Fact in the form in which the enricher stores events. It is never read here; it
	// saves encoding the fact twice.
	Stored []byte
}

// Home returns the key under which e is joined: its repository, or its run.
func (e Event) Home() string {
	if e.Repository == "" {
		return RunKey(e.Run)
	}
	return string(e.Repository)
}

// runPrefix distinguishes the key of a run from a repository.
const runPrefix = "run:"

// RunKey returns the key of the events of a run whose repository is unknown.
func RunKey(run string) string { return runPrefix + run }

// RunOf returns the run of such a key, or "" for any other key.
func RunOf(key string) string {
	run, ok := strings.CutPrefix(key, runPrefix)
	if !ok {
		return ""
	}
	return run
}

// The prefixes of senders, by what their credential is bound to.
const (
	SenderAgent    = "agent:"
	SenderPlatform = "platform:"
	SenderPerson   = "person:"
)

// Key returns the identity of e.
func (e Event) Key() string {
	if e.Sender == "" {
		return e.Source + "\x00" + e.ID
	}
	return e.Sender + "\x00" + e.Source + "\x00" + e.ID
}

// KnownAt returns when e counts as reported, to decide what was there before a merge: for what a
// platform observed, the time inside the event; for everything else its arrival, whatever date it
// states.
func (e Event) KnownAt() time.Time {
	if e.byArrival() {
		return e.Arrived
	}
	return e.Time
}

// byArrival reports whether e counts as reported when it arrived.
func (e Event) byArrival() bool { return e.Witness != Observed && !e.Arrived.IsZero() }

// Compare orders events by the time inside them, then by identity and content.
// The order is total, so that any set of events has one sequence.
func (e Event) Compare(o Event) int {
	if c := e.Time.Compare(o.Time); c != 0 {
		return c
	}
	return cmpStrings(e.Source, o.Source, e.ID, o.ID, e.Sender, o.Sender, e.Digest, o.Digest)
}

// CompareArrival orders events by their arrival, then as [Event.Compare] does.
func (e Event) CompareArrival(o Event) int {
	if c := e.Arrived.Compare(o.Arrived); c != 0 {
		return c
	}
	return e.Compare(o)
}
