package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
)

const (
	shop = record.Repository("github.com/acme/shop")
	ana  = "ana@acme.example"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// sha makes an id of a name.
func sha(name string) string { return fmt.Sprintf("%x", name) + strings.Repeat("0", 40-2*len(name)) }

// line makes a history of commits, each above the one before, an hour apart. A name with a space says
// which commits are the parents: "m a b".
func line(names ...string) *History {
	h := &History{Repository: shop, Branch: "main", Commits: make(map[string]*Commit), Branches: []string{}}
	last := ""
	for i, name := range names {
		words := strings.Fields(name)
		at := noon.Add(time.Duration(i) * time.Hour)
		c := &Commit{ID: sha(words[0]), Author: "Ana", AuthorMail: ana, AuthoredAt: at, Committer: "Ana", CommitterMail: ana, CommittedAt: at, Message: Message{Subject: words[0]}}
		if last != "" {
			c.Parents = []string{last}
		}
		if len(words) > 1 {
			c.Parents = nil
			for _, p := range words[1:] {
				c.Parents = append(c.Parents, sha(p))
			}
		}
		h.Commits[c.ID] = c
		last = c.ID
	}
	h.Tip = last
	return h
}

// pull is the record of a merged pull request.
func pull(number int, merge, head string, at time.Time) *record.Record {
	r := new(record.Record)
	r.Trail.Change = record.Change{ID: shop.Change(fmt.Sprintf("/pull/%d", number)), Repository: shop, Number: fmt.Sprint(number), State: "merged", MergeSHA: merge, HeadSHA: head, BaseRef: "main", MergedAt: at}
	return r
}

func pushOf(name string, at time.Time) *record.Record {
	r := new(record.Record)
	r.Trail.Change = record.Change{ID: shop.Change("/commit/" + sha(name)), Repository: shop, State: "merged", BaseRef: "main", MergedAt: at}
	return r
}

// brief is a report in a few words.
func brief(r *Report) (out []string) {
	names := make(map[string]string)
	for _, name := range strings.Fields("a b c d e f g m x y z") {
		names[sha(name)] = name
	}
	for _, f := range r.Findings {
		words := []string{f.Kind}
		if f.Change != "" {
			_, _, number := f.Change.Split()
			words = append(words, "#"+number)
		}
		for _, c := range f.Commits {
			words = append(words, names[c])
		}
		if f.MayBelongTo != "" {
			words = append(words, "maybe")
		}
		out = append(out, strings.Join(words, " "))
	}
	for _, u := range r.Unchecked {
		first, _, _ := strings.Cut(u.Reason, ",")
		out = append(out, "unchecked: "+first)
	}
	return out
}

func TestCompare(t *testing.T) {
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	day := Question{From: noon, To: noon.Add(24 * time.Hour)}
	forged := line("a", "b", "c")
	forged.Commits[sha("b")].CommittedAt = noon.AddDate(-3, 0, 0)
	future := line("a", "b", "c")
	future.Commits[sha("c")].CommittedAt = noon.AddDate(3, 0, 0)
	future.ReadAt = noon.Add(3 * time.Hour)
	numbered := line("a", "b", "c")
	numbered.Commits[sha("c")].Number = "7"
	together := line("a", "b", "c")
	together.Commits[sha("b")].CommittedAt = together.Commits[sha("c")].CommittedAt
	claimed := pull(1, sha("b"), "", hour(1))
	claimed.Trail.Change.Claimed = []string{"merged_at", "state"}
	open := pull(7, "", "", time.Time{})
	open.Trail.Change.State = "open"
	other := pull(1, sha("x"), sha("y"), hour(1))
	other.Trail.Change.BaseRef = "release/1"
	part := pushOf("b", hour(1))
	part.Trail.Change.PartOf = shop.Change("/pull/1")
	foreign := pull(1, sha("x"), "", hour(1))
	foreign.Trail.Change.Repository, foreign.Trail.Change.ID = "github.com/acme/other", "github.com/acme/other/pull/1"
	root := pushOf("a", hour(0))
	fetched := line("a")
	fetched.ReadAt = hour(2)
	ofRelease := pull(7, sha("x"), sha("y"), hour(1))
	ofRelease.Trail.Change.BaseRef = "release/1"
	request := func(title string) *record.Record {
		r := pull(1, sha("m"), sha("x"), hour(2))
		r.Trail.Change.ID, r.Trail.Change.Title = shop.Change("/merge_requests/1"), title
		return r
	}
	squashed := line("a", "b", "m a b")
	squashed.Requests, squashed.RequestsRead = []Request{{ID: shop.Change("/merge_requests/1"), State: "merged", MergeSHA: sha("m"), HeadSHA: sha("x"), SquashSHA: sha("b"), Base: "main", MergedAt: hour(2)}}, true
	listed := line("a", "b", "c", "m a c")
	listed.Requests, listed.RequestsRead = []Request{{ID: shop.Change("/pull/1"), State: "merged", MergeSHA: sha("m"), HeadSHA: sha("c"), Base: "main", MergedAt: hour(3)}}, true
	renamedRoot := pushOf("a", hour(0))
	renamedRoot.Trail.Change.ID, renamedRoot.Trail.Change.OtherNames = record.ChangeID("github.com/acme/old/commit/"+sha("a")), []record.Repository{"github.com/acme/old"}
	for name, x := range map[string]struct {
		h       *History
		records []*record.Record
		pushes  []Push
		want    []string
	}{
		"nothing is recorded":                      {line("a", "b"), nil, []Push{}, []string{"dark a", "dark b"}},
		"all is recorded":                          {line("a", "b"), []*record.Record{root, pull(1, sha("b"), sha("x"), hour(1))}, []Push{}, nil},
		"an abbreviated merge":                     {line("a", "b"), []*record.Record{root, pull(1, sha("b")[:9], sha("x"), hour(1))}, []Push{}, nil},
		"a part of a change that is not there":     {line("a", "b"), []*record.Record{root, part}, []Push{}, []string{"dark b"}},
		"a record that is open":                    {numbered, []*record.Record{root, pushOf("b", hour(1)), open}, []Push{}, []string{"dark #7 c"}},
		"a forged date does not hide a commit":     {forged, []*record.Record{root, pushOf("c", hour(2))}, []Push{}, []string{"dark b"}},
		"nor does one of the future":               {future, []*record.Record{root, pushOf("b", hour(1))}, []Push{}, []string{"dark c"}},
		"a claim explains, and is counted":         {line("a", "b"), []*record.Record{root, claimed}, []Push{}, nil},
		"without events, it may be of the push":    {together, []*record.Record{root, pushOf("c", hour(2))}, nil, []string{"dark b maybe"}},
		"with events, it is not":                   {together, []*record.Record{root, pushOf("c", hour(2))}, []Push{}, []string{"dark b"}},
		"or it is":                                 {together, []*record.Record{root, pushOf("c", hour(2))}, []Push{{Change: shop.Change("/commit/" + sha("c")), After: sha("c"), Commits: []string{sha("b"), sha("c")}}}, nil},
		"a push to a branch explains nothing":      {together, []*record.Record{root, pushOf("c", hour(2))}, []Push{{After: sha("b"), Commits: []string{sha("b")}}}, []string{"dark b"}},
		"another branch":                           {line("a"), []*record.Record{root, other}, []Push{}, nil},
		"another repository":                       {line("a"), []*record.Record{root, foreign}, []Push{}, nil},
		"the repository had another name":          {line("a"), []*record.Record{renamedRoot}, []Push{}, nil},
		"a ghost":                                  {line("a"), []*record.Record{root, pull(1, sha("x"), sha("y"), hour(1))}, []Push{}, []string{"ghost #1"}},
		"a ghost outside of the time":              {line("a"), []*record.Record{root, pull(1, sha("x"), sha("y"), hour(25))}, []Push{}, nil},
		"it is not known how it was merged":        {line("a"), []*record.Record{root, pull(1, "", sha("y"), hour(1))}, []Push{}, []string{"unchecked: recorded as merged without the commit; the branch does not contain the head"}},
		"its head shows how":                       {line("a", "b", "m a b"), []*record.Record{root, pull(1, "", sha("b"), hour(1))}, []Push{}, nil},
		"two records name one merge":               {line("a", "b", "m a b"), []*record.Record{root, pull(1, sha("m"), sha("b"), hour(2)), pull(2, sha("m"), sha("x"), hour(2))}, []Push{}, []string{"wrong-head #2"}},
		"the merge is a commit of another change":  {line("a", "b", "c", "m a c"), []*record.Record{root, pull(1, sha("m"), sha("c"), hour(3)), pull(2, sha("b"), sha("x"), hour(2))}, []Push{}, []string{"wrong-head #2"}},
		"another head was merged":                  {line("a", "b", "c", "m a c"), []*record.Record{root, pull(1, sha("m"), sha("b"), hour(3))}, []Push{}, []string{"wrong-head #1"}},
		"the merge that is recorded is not there":  {line("a", "b", "c", "m a c"), []*record.Record{root, pull(1, sha("x"), sha("c"), hour(3))}, []Push{}, []string{"wrong-head #1"}},
		"a merge of hand merges what was recorded": {line("a", "b", "m a b"), []*record.Record{root, pushOf("b", hour(1)), pushOf("m", hour(2))}, []Push{}, nil},
		"merged after the clone was fetched":       {fetched, []*record.Record{root, pull(1, sha("x"), sha("y"), hour(3))}, []Push{}, []string{"unchecked: recorded as merged after the history was read"}},
		"a copy of what a release branch has":      {numbered, []*record.Record{root, pushOf("b", hour(1)), ofRelease}, []Push{}, []string{"dark #7 c"}},
		"a push does not explain what came later":  {line("a", "b", "c"), []*record.Record{root, pushOf("b", hour(1))}, []Push{{Change: shop.Change("/commit/" + sha("b")), After: sha("b"), Commits: []string{sha("b"), sha("c")}}}, []string{"dark c"}},
		"a dark request with a recorded part":      {listed, []*record.Record{root, pushOf("c", hour(4))}, []Push{}, []string{"dark #1 m b"}},
		"GitLab merges a squash":                   {line("a", "b", "m a b"), []*record.Record{root, request("b")}, []Push{}, nil},
		"GitLab merges a squash with another text": {squashed, []*record.Record{root, request("other")}, []Push{}, nil},
		"GitLab merges another head":               {line("a", "b", "m a b"), []*record.Record{root, request("other")}, []Push{}, []string{"wrong-head #1"}},
		"a push lists only its newest commits":     {line("a", "b", "c"), []*record.Record{root, pushOf("c", hour(2))}, []Push{{Change: shop.Change("/commit/" + sha("c")), Before: sha("a"), After: sha("c"), Commits: []string{sha("c")}}}, nil},
		"without any commits":                      {&History{Repository: shop, Branch: "main"}, []*record.Record{root}, []Push{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			q := day
			q.History, q.Records, q.Pushes = x.h, x.records, x.pushes
			r := Compare(q)
			if diff := cmp.Diff(x.want, brief(r)); diff != "" {
				t.Error(diff, r.Findings)
			}
			if name == "a claim explains, and is counted" && r.Claimed != 1 {
				t.Errorf("claimed: %d", r.Claimed)
			}
		})
	}
}

// TestWhoMadeADarkChange passes the marks of its commits to the policy.
func TestWhoMadeADarkChange(t *testing.T) {
	h := line("a", "b", "m a b")
	c := h.Commits[sha("b")]
	c.Author, c.AuthorMail, c.Account, c.Bot = "Some Bot", "12+some[bot]@users.noreply.github.com", "some[bot]", true
	c.Message = ReadMessage("Mend it\n\nCo-authored-by: Claude <noreply@anthropic.com>\n")
	h.Commits[sha("m")].Message = ReadMessage("Merge pull request #3 from acme/claude/mend")
	var got record.Marks
	q := Question{From: noon, To: noon.Add(24 * time.Hour), History: h, Records: []*record.Record{pushOf("a", noon)}, Agent: func(m record.Marks) (string, []string) {
		got = m
		return "some", []string{"account some[bot]"}
	}}
	r := Compare(q)
	want := record.Marks{Accounts: []string{"some[bot]", "Some Bot"}, Bot: true, Mails: []string{c.AuthorMail}, Trailers: []record.Trailer{{Key: "Co-authored-by", Value: "Claude <noreply@anthropic.com>"}}, Branch: "claude/mend"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(r.Findings) != 1 || r.Findings[0].Agent != "some" || !slices.Equal(r.Findings[0].AgentBy, []string{"account some[bot]"}) {
		t.Errorf("%+v", r.Findings)
	}
}

func TestDeployments(t *testing.T) {
	at := noon.Add(time.Hour)
	h := line("a", "b")
	h.DeploymentsRead = true
	deployed := func(commit string, at time.Time, outcome string) Deployment {
		return Deployment{Repository: shop, Environment: "Production", Commit: sha(commit), At: at, Outcome: outcome}
	}
	recorded := pushOf("b", at)
	recorded.Trail.Deployments = []record.DeploymentFact{{Environment: "production", CommitSHA: sha("b"), Outcome: "success", At: at}, {Environment: "staging", CommitSHA: sha("b"), Outcome: "success", At: at}}
	for name, x := range map[string]struct {
		list []Deployment
		gaps []string
		want []string
	}{
		"the same":                  {[]Deployment{deployed("b", at.Add(10*time.Minute), "success")}, nil, nil},
		"twice, recorded once":      {[]Deployment{deployed("b", at, "success"), deployed("b", at.Add(time.Hour), "success")}, nil, []string{"dark #" + sha("b")}},
		"another commit":            {[]Deployment{deployed("b", at, "success"), deployed("x", at, "success")}, nil, []string{"dark"}},
		"it failed":                 {[]Deployment{deployed("b", at, "success"), deployed("x", at, "failure")}, nil, nil},
		"it never was":              {nil, nil, []string{"ghost #" + sha("b")}},
		"the list is incomplete":    {nil, []string{"cut"}, []string{"unchecked: recorded as deployed", "unchecked: cut"}},
		"nobody says how it ended":  {[]Deployment{deployed("b", at, "")}, nil, []string{"unchecked: the list does not say whether 1 deployments succeeded; they are compared as if they had"}},
		"only another environment":  {[]Deployment{{Environment: "live", Commit: sha("b"), At: at, Outcome: "success"}}, nil, []string{"unchecked: no deployment to production is in the list; it has live; name production with --environment"}},
		"of another repository":     {[]Deployment{deployed("b", at, "success"), {Repository: "github.com/acme/x", Environment: "production", Commit: sha("x"), At: at, Outcome: "success"}}, nil, nil},
		"long before the recording": {[]Deployment{deployed("b", at.Add(-30*time.Hour), "success")}, nil, []string{"ghost #" + sha("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.Deployments, h.Gaps = x.list, x.gaps
			r := Compare(Question{From: noon, To: noon.Add(24 * time.Hour), History: &h, Records: []*record.Record{pushOf("a", noon), recorded}, Pushes: []Push{}, Environments: []string{"production"}})
			if diff := cmp.Diff(x.want, brief(r)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
