package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

const (
	mostItems = 50   // on one page
	maxReason = 2000 // characters of a reason
)

// errNoDesk says why these pages do not know what waits.
var errNoDesk = errors.New("this process does not know the gate. Set web.gateway and web.gateway_token_file to a gateway that has one (docs/gate.md)")

// mayDecide returns the person who may decide, or says why the reader may not.
func (s *server) mayDecide(ctx context.Context) (who signin.Person, cannot string) {
	who, signed := signin.Of(ctx)
	switch way := s.Access.Way(); {
	case !signed && (way == access.NoSignIn || way == access.ByToken):
		return who, "You can read this, but nobody can decide here: no sign-in is configured, so nobody is known as a person. The section sign_in of the settings turns it on (docs/sign-in.md)."
	case !signed:
		return who, "A program cannot decide. A person must sign in."
	case !who.Has(settings.Approver):
		return who, fmt.Sprintf("You can read this, but not decide: that needs the role %s. Your roles: %s.", settings.Approver, access.Of(ctx).Roles())
	}
	return who, ""
}

// sent is a form as the reader sent it, and what became of it.
type sent struct {
	outcome outcome
	values  url.Values // of a form that was refused, which is shown again
	field   string     // that is wrong
}

// refused reports whether the form of this item was refused.
func (f sent) refused(what, of string) bool {
	return f.values != nil && f.values.Get("what") == what && f.values.Get("of") == of
}

// value is what the reader wrote in a field of the refused form; if there is none, the given value.
func (f sent) value(name, otherwise string) field {
	out := field{Value: otherwise}
	if f.values != nil {
		out.Value = f.values.Get(name)
		if f.field == name {
			out.Error = f.outcome.Text
		}
	}
	return out
}

// inbox is the page of what waits for a person.
func (s *server) inbox(w http.ResponseWriter, r *http.Request) error {
	var f sent
	if q := r.URL.Query(); q.Get("of") != "" { // a link to an item, or what was written before a session ended
		f.values = q
	}
	return s.showInbox(w, r, http.StatusOK, f)
}

func (s *server) showInbox(w http.ResponseWriter, r *http.Request, status int, f sent) error {
	reader := access.Of(r.Context())
	p := inboxPage{Outcome: f.outcome, Token: reader.FormToken(), Only: reader.Only()}
	_, p.Cannot = s.mayDecide(r.Context())
	waiting, err := s.waiting(r.Context())
	if err != nil {
		why := problem.Of(err, http.StatusBadGateway)
		s.Log.Error("what waits for a person is not known", "err", why.Detail)
		p.Away = why.Detail
		return s.render(w, r, max(status, http.StatusServiceUnavailable), p.page())
	}
	p.Items, p.Total = s.items(r.Context(), waiting, f)
	if p.Cannot != "" {
		for i := range p.Items {
			p.Items[i].Form = nil
		}
	}
	s.Access.Note(r, "list", "inbox")
	return s.render(w, r, status, p.page())
}

// waiting returns what waits in the repositories that the reader may read.
func (s *server) waiting(ctx context.Context) (*desk.Waiting, error) {
	if s.Desk == nil {
		return nil, errNoDesk
	}
	all, err := s.Desk.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	s.waits.keep(s.Now(), all)
	return readBy(all, access.Of(ctx)), nil
}

// classes of services, the gravest first.
var classes = []string{"critical", "high", "medium", "low"}

// rank orders by class. A class that is not known may be the gravest.
func rank(class string) int { return max(0, slices.Index(classes, class)) }

// items returns the first items, the gravest class first and the oldest first, and how many there are.
func (s *server) items(ctx context.Context, waiting *desk.Waiting, f sent) (shown []inboxItem, total int) {
	now := s.Now()
	all := make([]inboxItem, 0, len(waiting.Changes)+len(waiting.Requests))
	who, _ := s.mayDecide(ctx)
	for _, c := range waiting.Changes {
		i := changeItem(c, now, f)
		if c.Emergency.MayGive(who.ID) {
			i.Form.Order = orderOf(c, f)
		}
		all = append(all, i)
	}
	for _, q := range waiting.Requests {
		all = append(all, requestItem(q, now, f))
	}
	slices.SortStableFunc(all, func(a, b inboxItem) int {
		return cmp.Or(rank(a.Class)-rank(b.Class), a.Since.Compare(b.Since), strings.Compare(a.Anchor, b.Anchor))
	})
	wanted := anchorOf(f.values.Get("what"), f.values.Get("of"))
	if at := slices.IndexFunc(all, func(i inboxItem) bool { return i.Anchor == wanted }); at >= mostItems {
		item := all[at] // it would be on no page
		all = slices.Insert(slices.Delete(all, at, at+1), 0, item)
	}
	shown = all[:min(len(all), mostItems)]
	s.describe(ctx, shown)
	return shown, len(all)
}

// anchorOf is the id of an item in the page.
func anchorOf(what, of string) string {
	if what == breakGlass { // a form in the item of the change
		what = "change"
	}
	return "i" + strings.TrimPrefix(digests.Of([]byte(what+"\x00"+of)), "sha256:")[:16]
}

// inboxPath is the address of the inbox with an item on it.
func inboxPath(what, of string) string {
	return "/inbox?" + url.Values{"what": {what}, "of": {of}}.Encode() + "#" + anchorOf(what, of)
}

// changeItem is the item of a change.
func changeItem(c pending.Item, now time.Time, f sent) inboxItem {
	d := c.Decision
	id := string(c.Change)
	i := inboxItem{
		Anchor: anchorOf("change", id), What: "change", Class: c.Class, Title: cmp.Or(c.Title, id), ID: id, Link: changePath(id), Host: c.URL, Agent: c.Agent, Services: c.Services,
		Since: c.Since, Waits: waitsFor(c.Since, now), Commit: d.Head, Reasons: d.Reasons, Answers: answersOf(c.Answers, changePath(id)),
		Form: &decideForm{Of: id, What: "change", Commit: d.Head, ID: rand.Text(), Records: records(d)},
	}
	for _, m := range d.Missing {
		i.Missing = append(i.Missing, m.Give())
	}
	if f.refused("change", id) {
		i.Form.Reason = f.value("reason", "")
	}
	return i
}

// records says what an approval of a change records.
func records(d gate.Decision) string {
	var parts []string
	review := d.Reviewed != record.Proven && d.Reviewed != record.NotRequired
	for _, m := range d.Missing {
		switch part := strings.TrimSuffix("your approval of the work on "+m.Service, " on "); {
		case m.What != "approval":
			review = true
		case !slices.Contains(parts, part):
			parts = append(parts, part)
		}
	}
	if review {
		parts = append(parts, "your review of commit "+short(d.Head))
	}
	return "Approve records " + strings.Join(parts, " and ") + ", as far as you can give it."
}

// requestItem is the item of a request of an agent, with the scope that it asked for.
func requestItem(q desk.Request, now time.Time, f sent) inboxItem {
	reason := ""
	if q.Reason != "" {
		reason = fmt.Sprintf("%s asked: “%s”", q.Agent, q.Reason)
	}
	scope := strings.Join(q.Services, ", ") // they contain the paths
	if scope == "" {
		scope = strings.Join(q.Paths, ", ")
	}
	i := inboxItem{
		Anchor: anchorOf("request", q.ID), What: "request before work", Class: q.Class, Title: fmt.Sprintf("%s asks to %s in %s", q.Agent, cmp.Or(q.Does, "work"), q.Repository), ID: string(q.Repository),
		Agent: q.Agent, Services: q.Services, Since: q.At, Waits: waitsFor(q.At, now), Missing: []string{"an approval before the work"},
		Form: &decideForm{
			Of: q.ID, What: "request", ID: rand.Text(), Records: "Approve records your approval within these limits.", Reason: field{Value: reason},
			Grant: &grantFields{Scope: field{Value: scope}, Until: field{Value: now.UTC().AddDate(0, 0, 1).Format(time.DateOnly)}, Uses: field{Value: "1"}},
		},
	}
	for _, fact := range []labeled{{"Why", q.Reason}, {"Paths", strings.Join(q.Paths, ", ")}, {"Asked by", q.AskedBy}, {"Run", q.Run}} {
		if fact.Text != "" {
			i.Facts = append(i.Facts, fact)
		}
	}
	if q.Change != "" {
		i.Link = changePath(string(q.Change))
	}
	if f.refused("request", q.ID) {
		i.Form.Reason = f.value("reason", reason)
		i.Form.Grant = &grantFields{f.value("scope", scope), f.value("kinds", ""), f.value("until", i.Form.Grant.Until.Value), f.value("uses", "1")}
	}
	return i
}

// answersOf are the four answers, each with a link to its place on the page of the change.
func answersOf(a record.Answers, at string) (out []itemAnswer) {
	for _, one := range []struct{ name, label, answer string }{
		{say.Trigger, "Trigger", a.Trigger}, {say.Alternatives, "Alternatives", a.Alternatives}, {say.Authorized, "Authorized", a.Authorized}, {say.Reviewed, "Reviewed", a.Reviewed},
	} {
		if one.answer != "" {
			out = append(out, itemAnswer{Name: one.name, Label: one.label, Answer: one.answer, Link: at + "#" + one.name})
		}
	}
	return out
}

// describe adds what the records in the index say about changes, which may be a moment older.
func (s *server) describe(ctx context.Context, items []inboxItem) {
	var any query.Bool
	for _, i := range items {
		if i.Form.What == "change" {
			any.Should = append(any.Should, query.Term{Field: s.fields["changetrail.change.id"], Value: i.Form.Of})
		}
	}
	if len(any.Should) == 0 {
		return
	}
	res, err := s.Index.Search(ctx, query.Request{Where: any, Size: len(any.Should)})
	if err != nil { // the decision does not need them
		s.Log.Error("the records of what waits cannot be read", "err", err)
		return
	}
	for _, h := range res.Hits {
		var r record.Record
		if json.Unmarshal(h.Doc, &r, jsontext.AllowInvalidUTF8(true)) != nil {
			continue
		}
		for at := range items {
			if items[at].Form.Of == string(r.Trail.Change.ID) {
				items[at].add(&r)
			}
		}
	}
}

// add adds what a record says: the sentences of answers that are still the same, which are not said
// twice, and the evidence.
func (i *inboxItem) add(r *record.Record) {
	for _, a := range say.Answers(r) {
		for at := range i.Answers {
			if one := &i.Answers[at]; one.Name == a.Name && one.Answer == a.Answer {
				one.Sentence = a.Sentence
				i.Reasons = slices.DeleteFunc(slices.Clone(i.Reasons), func(reason string) bool { return reason == a.Sentence })
			}
		}
	}
	if t := r.Trail.Trigger; t != nil && t.Held && digests.Is(t.Digest) {
		i.Evidence = append(i.Evidence, hyperlink{evidencePath(t.Digest, t.Finding), "the report that started it"})
	}
}

// decide answers a form of the inbox.
func (s *server) decide(w http.ResponseWriter, r *http.Request) error {
	who, cannot := s.mayDecide(r.Context())
	if cannot != "" {
		return refuse(http.StatusForbidden, "%s", cannot)
	}
	if s.Desk == nil {
		return refuse(http.StatusServiceUnavailable, "%v", errNoDesk)
	}
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "the form cannot be read: %v", err)
	}
	said, err := s.carryOut(r.Context(), who, r.PostForm)
	if err == nil {
		s.Log.Info("a person decided", "part", "access", "person", who.ID, "what", r.PostForm.Get("what"), "of", r.PostForm.Get("of"), "verdict", r.PostForm.Get("verdict"))
		return s.showInbox(w, r, http.StatusOK, sent{outcome: said})
	}
	why := problem.Of(err, http.StatusConflict)
	f := sent{outcome: outcome{Failed: true, Text: why.Detail, Link: "#" + anchorOf(r.PostForm.Get("what"), r.PostForm.Get("of")), Label: "To the item"}, values: r.PostForm}
	f.field = fieldOf(err)
	return s.showInbox(w, r, why.Status, f)
}

// A wrongField is an input that cannot be accepted.
type wrongField struct {
	name string
	error
}

func (f *wrongField) Unwrap() error { return f.error }

// grantFieldNames are the inputs of an approval.
var grantFieldNames = []string{"agent", "repository", "scope", "kinds", "until", "uses", "reason"}

// fieldOf returns the input that an error is about; empty if it is about none. What the policy refuses
// begins with the name of the input, as in "until is 2026-01-01, which is in the past".
func fieldOf(err error) string {
	var one *wrongField
	if errors.As(err, &one) {
		return one.name
	}
	p := problem.Of(err, 0)
	first, _, _ := strings.Cut(p.Detail, " ")
	if name := strings.TrimSuffix(first, ":"); p.Status == http.StatusUnprocessableEntity && slices.Contains(grantFieldNames, name) {
		return name
	}
	return ""
}

func wrong(name, format string, args ...any) error {
	return &wrongField{name, refuse(http.StatusUnprocessableEntity, format, args...)}
}

// carryOut does what a form asks for.
func (s *server) carryOut(ctx context.Context, who signin.Person, form url.Values) (outcome, error) {
	if form.Get("what") == breakGlass {
		return s.order(ctx, who, form)
	}
	of, reason := form.Get("of"), strings.TrimSpace(form.Get("reason"))
	approve := form.Get("verdict") == "approve"
	switch {
	case !approve && form.Get("verdict") != "refuse":
		return outcome{}, refuse(http.StatusBadRequest, "the form says neither approve nor refuse")
	case !approve && reason == "":
		return outcome{}, wrong("reason", "Nothing was decided: to refuse, give a reason. The people who asked read it.")
	case len(reason) > maxReason:
		return outcome{}, wrong("reason", "Nothing was decided: the reason is longer than %d characters.", maxReason)
	}
	if form.Get("what") == "request" {
		return s.answerRequest(ctx, who, form, approve)
	}
	id, err := record.ParseChange(of)
	if err != nil {
		return outcome{}, refuse(http.StatusBadRequest, "%v", err)
	}
	if err := s.mayDecideAbout(ctx, id.Repository()); err != nil {
		return outcome{}, err
	}
	d, err := s.Desk.Decide(ctx, desk.Verdict{Person: who.ID, Change: id, Commit: form.Get("commit"), Approve: approve, Reason: reason})
	if err != nil {
		return outcome{}, err
	}
	return decided(d, approve), nil
}

// mayDecideAbout refuses a repository that the person may not read.
func (s *server) mayDecideAbout(ctx context.Context, of record.Repository) error {
	if reader := access.Of(ctx); !reader.MayRead(string(of)) {
		return refuse(http.StatusForbidden, "The credential %s may not read records of %s.", reader.Name, of)
	}
	return nil
}

// decided says what the gate answers after a decision.
func decided(d gate.Decision, approve bool) outcome {
	did := "You refused"
	if approve {
		did = "You approved"
	}
	o := outcome{Text: fmt.Sprintf("%s %s at commit %s.", did, d.Change, short(d.Head)), Link: changePath(string(d.Change)), Label: "To the change"}
	switch {
	case d.Allowed:
		o.Text += " The gate allows the merge now."
	case len(d.Missing) > 0:
		o.Text += " Still missing: " + d.Missing[0].Give() + "."
	default:
		o.Text += " The gate denies the merge: " + strings.Join(d.Reasons, " ")
	}
	return o
}

// answerRequest approves or refuses what an agent asks for.
func (s *server) answerRequest(ctx context.Context, who signin.Person, form url.Values, approve bool) (outcome, error) {
	waiting, err := s.waiting(ctx)
	if err != nil {
		return outcome{}, err
	}
	at := slices.IndexFunc(waiting.Requests, func(q desk.Request) bool { return q.ID == form.Get("of") })
	if at < 0 {
		return outcome{}, refuse(http.StatusConflict, "Nothing was decided: this request does not wait any more. Somebody else answered it, or it was withdrawn.")
	}
	q := waiting.Requests[at]
	if !approve {
		err := s.Desk.Refuse(ctx, approvals.Refusal{ID: form.Get("id"), Request: q.ID, Person: who.ID, Reason: strings.TrimSpace(form.Get("reason"))})
		return outcome{Text: fmt.Sprintf("You refused the request of %s in %s.", q.Agent, q.Repository)}, err
	}
	g, err := s.grantOf(form)
	if err != nil {
		return outcome{}, err
	}
	g.Person, g.Agent, g.Repository, g.Request, g.Change = who.ID, q.Agent, q.Repository, q.ID, q.Change
	standing, err := s.Desk.Grant(ctx, g)
	return granted(standing), err
}
