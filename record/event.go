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
	TypeIdentityRefused     = "dev.changetrail.identity.refused.v1"
	TypeCommitsPushed       = "dev.changetrail.commits.pushed.v1"
	TypeEventNoted          = "dev.changetrail.event.noted.v1"
	TypeSpansReceived       = "dev.changetrail.spans.received.v1"
	TypeRunNamed            = "dev.changetrail.run.named.v1"
)

// An Event is one fact, said by one source, about one repository. Sender, Source and
// ID together are its identity: two events with the same three are one event.
type Event struct {
	// Sender is who sent it, as its credential says: [SenderAgent] and the agent's id,
	// [SenderPlatform] and the credential's name, or [SenderPerson] and the account. Empty
	// where no gateway looked at a credential.
	Sender     string
	Source     string
	ID         string
	Type       string
	Repository Repository
	Change     ChangeID // empty where the fact names a commit or a report, and no change
	// RepositoryID is the identity of the repository at its code host ([RepositoryID]), Named
	// its name there, and Former the one that it had until now, where the event says that it
	// was renamed. All are empty where no code host says so.
	RepositoryID  string
	Named, Former Repository
	Time          time.Time
	Arrived       time.Time // when the broker took it; zero where nobody says
	Imported      bool      // Arrived is what a credential stated that may bring in history
	Fact          Fact
	// Room is the name of the run of an event that says nothing of its repository: it
	// waits with that run until something in a repository names it.
	Room string
	// Witness is what the word of the sender is worth about this fact: Observed, Human,
	// Signed or Claimed. Empty is Claimed. It is decided where the event is read, by the
	// credential that it came with, and never by what it says of itself.
	Witness string
	// Altered says that its sender said something else under the same identity later. The
	// first stands.
	Altered bool
	// Masked says that it was changed after it was kept, as [Masking] writes it; empty where
	// it was not.
	Masked string
	// Trace is the trace that the event was sent in (W3C trace context), where that
	// tells what it belongs to.
	Trace string
	// Digest tells apart two events of one identity and different content.
	Digest string
	// Stored is Fact as whoever keeps events writes it. It is carried along and
	// never read here, so that what was written once need not be written again.
	Stored []byte
}

// Home is the key under which e is joined: its repository, or its run.
func (e Event) Home() string {
	if e.Repository == "" {
		return RoomKey(e.Room)
	}
	return string(e.Repository)
}

// roomPrefix tells the key of a run from a repository.
const roomPrefix = "run:"

// RoomKey is the key of the events of a run of which no repository is known.
func RoomKey(run string) string { return roomPrefix + run }

// RoomOf returns the run of a room's key, "" where it is none.
func RoomOf(key string) string {
	run, ok := strings.CutPrefix(key, roomPrefix)
	if !ok {
		return ""
	}
	return run
}

// What a sender begins with, by what its credential is bound to.
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

// Told returns when e counts as told, for the question what was there before a merge:
// of a platform's own word, the time inside it; of all else, its arrival, however it
// is dated.
func (e Event) Told() time.Time {
	if e.byArrival() {
		return e.Arrived
	}
	return e.Time
}

// byArrival reports whether e counts as told when it arrived.
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
