package approvals

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
)

// A Grant is the approval of a person, given before the work of an agent.
type Grant struct {
	ID         string            `json:"id"`
	Person     string            `json:"person"` // account
	Agent      string            `json:"agent"`
	Repository record.Repository `json:"repository"`
	// Scope contains services, and globs of paths; see policy.Policy.Covers.
	Scope []string `json:"scope"`
	// Kinds are the kinds of changes that it is for, such as documentation; empty means all.
	Kinds  []string  `json:"kinds,omitempty"`
	Until  time.Time `json:"until"`
	Uses   int       `json:"uses,omitzero"` // how many changes may use it; 0 means no limit
	Reason string    `json:"reason"`
	// Change is the only change that may use it; empty means any change that it covers.
	Change  record.ChangeID `json:"change,omitempty"`
	Request string          `json:"request,omitempty"` // id of the request that it answers
	At      time.Time       `json:"at,omitzero"`       // when the broker received it
}

// A Request is what an agent asks people for.
type Request struct {
	ID         string            `json:"id"`
	Agent      string            `json:"agent"`
	Repository record.Repository `json:"repository"`
	Services   []string          `json:"services,omitempty"`
	Paths      []string          `json:"paths,omitempty"`
	Does       string            `json:"does,omitempty"` // what the agent is about to do, such as push
	Reason     string            `json:"reason,omitempty"`
	Run        string            `json:"run,omitempty"`
	AskedBy    string            `json:"asked_by,omitempty"` // who asked the agent to work
	Change     record.ChangeID   `json:"change,omitempty"`
	At         time.Time         `json:"at,omitzero"` // when the broker received it
}

// A Refusal is a person's answer to a request.
type Refusal struct {
	ID      string    `json:"id"`
	Request string    `json:"request"`
	Person  string    `json:"person"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at,omitzero"`
}

// A Revocation ends a grant: no change uses it from then on, and it counts for no open change.
type Revocation struct {
	ID     string    `json:"id"`
	Grant  string    `json:"grant"`
	Person string    `json:"person"` // who revokes
	Reason string    `json:"reason"`
	At     time.Time `json:"at,omitzero"`
}

// A Use says that a change is about to use a grant. It counts if the grant is in force at its place
// in the topic and has a use left.
type Use struct {
	Grant  string          `json:"grant"`
	Change record.ChangeID `json:"change"`
}

// An entry is a message of the topic: one of these.
type entry struct {
	Grant      *Grant      `json:"grant,omitempty"`
	Request    *Request    `json:"request,omitempty"`
	Refusal    *Refusal    `json:"refusal,omitempty"`
	Revocation *Revocation `json:"revocation,omitempty"`
	Use        *Use        `json:"use,omitempty"`
}

// Limits of what an entry contains.
const (
	maxText  = 2048 // bytes
	maxName  = 512
	maxList  = 100
	maxPaths = 1000
)

var errKind = errors.New("it is not exactly one of grant, request, refusal, revocation and use")

// check fails if an entry is not one that this package writes.
func (e entry) check() error {
	n := 0
	var err error
	for _, one := range []struct {
		is    bool
		check func() error
	}{
		{e.Grant != nil, func() error { return e.Grant.check() }},
		{e.Request != nil, func() error { return e.Request.check() }},
		{e.Refusal != nil, func() error { r := e.Refusal; return texts(need(r.ID, r.Request, r.Person), r.Reason) }},
		{e.Revocation != nil, func() error { r := e.Revocation; return texts(need(r.ID, r.Grant, r.Person), r.Reason) }},
		{e.Use != nil, func() error { return texts(need(e.Use.Grant, string(e.Use.Change))) }},
	} {
		if one.is {
			n++
			err = one.check()
		}
	}
	if n != 1 {
		return errKind
	}
	return err
}

func (g *Grant) check() error {
	switch {
	case len(g.Scope) == 0:
		return errors.New("scope is empty")
	case g.Until.IsZero():
		return errors.New("until is missing")
	case g.Uses < 0:
		return fmt.Errorf("uses is %d", g.Uses)
	case len(g.Scope) > maxList:
		return fmt.Errorf("scope has %d entries; the limit is %d", len(g.Scope), maxList)
	case len(g.Kinds) > maxList:
		return fmt.Errorf("kinds has %d entries; the limit is %d", len(g.Kinds), maxList)
	}
	return texts(need(append(slices.Concat(g.Scope, g.Kinds), g.ID, g.Person, g.Agent, string(g.Repository))...), g.Reason, string(g.Change), g.Request)
}

func (r *Request) check() error {
	if n := max(len(r.Services), len(r.Paths)); n > maxPaths {
		return fmt.Errorf("the request lists %d services or paths; the limit is %d", n, maxPaths)
	}
	return texts(need(append(slices.Concat(r.Services, r.Paths), r.ID, r.Agent, string(r.Repository))...), r.Does, r.Reason, r.Run, r.AskedBy, string(r.Change))
}

// need fails if a name is empty or too long.
func need(names ...string) error {
	for _, s := range names {
		switch {
		case s == "":
			return errors.New("a name is empty")
		case len(s) > maxName:
			return fmt.Errorf("%.40q… has %d bytes; the limit is %d", s, len(s), maxName)
		}
	}
	return texts(nil, names...)
}

// texts fails with err, or if a text is too long or is not UTF-8.
func texts(err error, all ...string) error {
	for _, s := range all {
		switch {
		case err != nil:
			return err
		case len(s) > maxText:
			return fmt.Errorf("a text has %d bytes; the limit is %d", len(s), maxText)
		case !utf8.ValidString(s):
			return fmt.Errorf("%q is not UTF-8", s)
		}
	}
	return err
}

// use is the use of the signatures of entries.
const use = "approval"

// sign returns the signature of an entry in a topic, so that it counts in no other one.
func sign(keys signing.Keys, topic string, value []byte) []byte {
	return []byte(keys.Sign(use, topic, string(value)))
}

// errForeign says that nobody with a key wrote an entry.
var errForeign = errors.New("it has no valid signature; it counts for nothing")

// read returns the entry in a message. It fails with errForeign if nobody with one of keys signed it.
func read(keys signing.Keys, topic string, value, signature []byte) (entry, error) {
	var e entry
	if !keys.Verify(string(signature), use, topic, string(value)) {
		return e, errForeign
	}
	if err := json.Unmarshal(value, &e, json.RejectUnknownMembers(true)); err != nil {
		return e, err
	}
	return e, e.check()
}
