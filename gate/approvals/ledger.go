package approvals

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/record"
)

// What became of a grant.
const (
	InForce = "in-force"
	UsedUp  = "used-up" // only the changes that use it may go on to use it
	Expired = "expired"
	Revoked = "revoked"
)

// A Standing is a grant, and what became of it.
type Standing struct {
	Grant
	Status     string            `json:"status"`
	Asked      time.Time         `json:"asked,omitzero"`    // when the broker received the request that it answers
	UsedBy     []record.ChangeID `json:"used_by,omitempty"` // the changes that use it, in order
	Revocation *Revocation       `json:"revocation,omitempty"`
}

// left reports whether a change may use the grant: it does already, or a use is left.
func (s Standing) left(change record.ChangeID) bool {
	return s.Uses == 0 || len(s.UsedBy) < s.Uses || slices.Contains(s.UsedBy, change)
}

func (s Standing) at(now time.Time) Standing {
	switch {
	case s.Revocation != nil:
		s.Status = Revoked
	case now.After(s.Until):
		s.Status = Expired
	case s.Uses > 0 && len(s.UsedBy) >= s.Uses:
		s.Status = UsedUp
	default:
		s.Status = InForce
	}
	s.UsedBy = slices.Clip(s.UsedBy) // the ledger appends
	return s
}

// A ledger is the sum of the entries of the topic, in their order. An entry whose id another one had
// before changes nothing.
type ledger struct {
	grants   map[string]*Standing
	requests map[string]Request
	refused  map[string]Refusal           // by request
	answered map[string]bool              // requests that a grant answers
	users    map[record.ChangeID][]string // grants that a change uses
}

func newLedger() *ledger {
	return &ledger{make(map[string]*Standing), make(map[string]Request), make(map[string]Refusal), make(map[string]bool), make(map[record.ChangeID][]string)}
}

// add adds the next entry, which the broker received at a time.
func (l *ledger) add(e entry, at time.Time) {
	switch {
	case e.Grant != nil:
		if l.grants[e.Grant.ID] == nil {
			s := &Standing{Grant: *e.Grant, Asked: l.requests[e.Grant.Request].At}
			s.At = at
			l.grants[s.ID] = s
			l.answered[s.Request] = true
		}
	case e.Request != nil:
		if _, known := l.requests[e.Request.ID]; !known {
			r := *e.Request
			r.At = at
			l.requests[r.ID] = r
		}
	case e.Refusal != nil:
		if _, known := l.refused[e.Refusal.Request]; !known {
			r := *e.Refusal
			r.At = at
			l.refused[r.Request] = r
		}
	case e.Revocation != nil:
		if s := l.grants[e.Revocation.Grant]; s != nil && s.Revocation == nil {
			r := *e.Revocation
			r.At = at
			s.Revocation = &r
		}
	case e.Use != nil:
		l.use(*e.Use, at)
	}
}

// use adds a change to those that use a grant, if the grant is in force and has a use left.
func (l *ledger) use(u Use, at time.Time) {
	s := l.grants[u.Grant]
	if s == nil || s.Revocation != nil || at.After(s.Until) || !s.left(u.Change) || slices.Contains(s.UsedBy, u.Change) {
		return
	}
	s.UsedBy = append(s.UsedBy, u.Change)
	l.users[u.Change] = append(l.users[u.Change], u.Grant)
}

// all returns all grants, the newest first.
func (l *ledger) all(now time.Time) []Standing {
	out := make([]Standing, 0, len(l.grants))
	for _, s := range l.grants {
		out = append(out, s.at(now))
	}
	slices.SortFunc(out, func(a, b Standing) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID)) })
	return out
}

// requestLasts is how long a request waits for an answer. An agent that still needs one asks again.
const requestLasts = 7 * 24 * time.Hour

// open returns the requests that nobody has answered, the oldest first.
func (l *ledger) open(now time.Time) []Request {
	out := slices.DeleteFunc(slices.Collect(maps.Values(l.requests)), func(r Request) bool {
		_, refused := l.refused[r.ID]
		return refused || l.answered[r.ID] || now.Sub(r.At) > requestLasts
	})
	slices.SortFunc(out, func(a, b Request) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	return out
}
