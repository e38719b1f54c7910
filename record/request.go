package record

import (
	"slices"
	"strings"
	"time"
)

// TypeRequestReceived is the type of events with the request that an agent was given.
const TypeRequestReceived = "dev.changetrail.request.received.v1"

// A Request is something that may make an agent start: a ticket, an issue, a person's
// prompt, an alert, an incident. A decision names it as its trigger, by id, URL or digest.
type Request struct {
	Kind       string    `json:"kind" schema:"required,enum=ticket|issue|prompt|alert|incident|request|other" doc:"what it is; a request is a comment that asks somebody to do something"`
	ID         string    `json:"id,omitempty" schema:"max=512" doc:"its id in its own system, such as PAY-12 or acme/payments#42"`
	URL        string    `json:"url,omitempty" schema:"max=2048" doc:"URL of its page"`
	Title      string    `json:"title,omitempty" schema:"max=512"`
	Author     string    `json:"author,omitempty" schema:"max=256" doc:"account of the person who asks: who wrote it, or who assigned it to an agent"`
	AuthorID   string    `json:"author_id,omitempty" schema:"max=128" doc:"stable number of that account"`
	AuthorType string    `json:"author_type,omitempty" schema:"enum=human|bot|agent"`
	Digest     string    `json:"digest,omitempty" schema:"format=digest" doc:"sha256 of the exact bytes of what was asked: the text of a prompt, or a file"`
	State      string    `json:"state,omitempty" schema:"enum=open|closed"`
	OpenedAt   time.Time `json:"opened_at,omitzero" doc:"when it was written, if that is known and the event is a later one"`
	Repository string    `json:"repository,omitempty" schema:"max=512"`
}

func (*Request) isFact() {}

func requestRef(name string) Ref { return Ref("request:" + name) }

// requestName returns the canonical form of a name of a request: for an address its host and
// path, without what points into the page; for a bare number the number with #.
func requestName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		rest, _, _ = strings.Cut(rest, "#")
		rest, _, _ = strings.Cut(rest, "?")
		rest = strings.Replace(rest, "/-/", "/", 1)
		return strings.TrimRight(strings.Replace(rest, "/work_items/", "/issues/", 1), "/")
	}
	if s != "" && strings.Trim(s, "0123456789") == "" {
		return "#" + s
	}
	return s
}

// requestIDs returns the names for an id: within its repository an issue is known by its number
// alone.
func requestIDs(id string) []string {
	name := requestName(id)
	if i := strings.LastIndexByte(name, '#'); i > 0 {
		return []string{name, name[i:]}
	}
	return compactStrings([]string{name})
}

// requestPostings makes a request evidence for every change whose decisions name it.
func requestPostings(e Event, f *Request) (out []Posting) {
	for _, name := range compactStrings(append(requestIDs(f.ID), requestName(f.URL), f.Digest)) {
		out = append(out, Posting{requestRef(name), e})
	}
	return out
}

// requestRefs returns the refs of the request that t names.
func (t *Trigger) requestRefs() (out []Ref) {
	if !t.isRequest() {
		return nil
	}
	for _, name := range compactStrings([]string{requestName(t.ID), requestName(t.URL), t.Digest}) {
		out = append(out, requestRef(name))
	}
	return out
}

// isRequest reports whether t may name a [Request].
func (t *Trigger) isRequest() bool {
	switch t.Kind {
	case "scan", "test-failure", "schedule":
		return false
	}
	return true
}

// means reports whether t names the request, by the strongest name that both of them state. A
// digest is stronger than an address, and an address is stronger than an id.
func (t *Trigger) means(f *Request) bool {
	switch {
	case t.Digest != "" && f.Digest != "":
		return t.Digest == f.Digest
	case t.URL != "" && f.URL != "":
		return requestName(t.URL) == requestName(f.URL)
	}
	return t.ID != "" && sameKind(t.Kind, f.Kind) && slices.Contains(requestIDs(f.ID), requestName(t.ID))
}

// sameKind reports whether two kinds may be the same thing: alerts and issues have separate
// numbers, and people call an issue a ticket.
func sameKind(trigger, held string) bool {
	switch {
	case trigger == held, trigger == "other", held == "other":
		return true
	case trigger == "alert" || held == "alert" || trigger == "prompt" || held == "prompt":
		return trigger == "request" && held == "prompt"
	}
	return true
}

// foldRequest sets the request that a trigger names: who sent it, its witness, and who asked. all
// is in time order.
func foldRequest(out *TriggerFacts, t *Trigger, all []*Event) {
	if !t.isRequest() {
		return
	}
	var held *Event
	known, claimed := t.askers(all)
	askers := append(known, claimed...)
	for _, e := range all {
		f := t.named(e)
		if f == nil {
			continue
		}
		if held == nil || weightOf(e) >= weightOf(held) {
			held = e
		}
	}
	if held == nil {
		return
	}
	f, knownAt := t.named(held), held.KnownAt()
	for _, e := range all { // the same witness may have reported it before
		if t.named(e) != nil && e.witness() == held.witness() && e.KnownAt().Before(knownAt) {
			knownAt = e.KnownAt()
		}
	}
	slices.Sort(askers)
	out.Request = &RequestFacts{
		Kind: f.Kind, ID: f.ID, URL: f.URL, Title: f.Title, Source: held.Source, Sender: held.Sender, Witness: held.witness(),
		OpenedAt: orTime(f.OpenedAt, held.Time), KnownAt: knownAt.UTC(), Author: f.Author, AuthorID: f.AuthorID, AuthorType: f.AuthorType,
		AskedBy: smallestStrings(nil, slices.Compact(askers), maxListed),
	}
}

// askers returns the accounts of all who asked for what t names: known by a witness who can know
// it, claimed by others.
func (t *Trigger) askers(all []*Event) (known, claimed []string) {
	if t == nil || !t.isRequest() {
		return nil, nil
	}
	for _, e := range all {
		switch f := t.named(e); {
		case f == nil || f.Author == "":
		case canKnow(e.Witness):
			known = append(known, f.Author)
		default:
			claimed = append(claimed, f.Author)
		}
	}
	return known, claimed
}

// named returns e as the request that t names, or nil. An alert of a code host is a report.
func (t *Trigger) named(e *Event) *Request {
	f, _ := e.Fact.(*Request)
	if s, ok := e.Fact.(*Scan); ok && s.Alert && len(s.Findings) == 0 {
		f = &Request{Kind: "alert", ID: s.ScanID, URL: s.URL, Digest: s.Report.Digest}
	}
	if f == nil || !t.means(f) {
		return nil
	}
	return f
}

// weightOf orders requests by their witness, and a request before a comment on it.
func weightOf(e *Event) int {
	n := 4 * witnessRank(e.witness())
	if !strings.HasPrefix(e.Sender, SenderAgent) {
		n += 2
	}
	if f, ok := e.Fact.(*Request); !ok || f.Kind != "request" {
		n++
	}
	return n
}
