package gate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

const (
	repository = record.Repository("github.com/acme/shop")
	change     = record.ChangeID("github.com/acme/shop/pull/7")
)

// The commits of the change, in the order in which they are pushed.
const (
	commit1 = "1111111111111111111111111111111111111111"
	commit2 = "2222222222222222222222222222222222222222"
)

var morning = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

const company = `
services:
  - {name: payments, repositories: [github.com/acme/shop], paths: ["payments/**"], classification: critical, owner: payments-owners}
  - {name: catalog, repositories: [github.com/acme/shop], paths: ["catalog/**"], classification: medium}
  - {name: fixtures, repositories: [github.com/acme/shop], paths: ["testdata/**"], classification: low}
agents:
  - {id: fixer, accounts: ["fixer[bot]"], services: [payments, catalog, fixtures], delegates: [ana, ben]}
  - {id: writer, accounts: ["writer[bot]"], services: [fixtures]}
people:
  - {id: ana, accounts: [ana]}
  - {id: ben, accounts: [ben]}
  - {id: cleo, accounts: [cleo, cleo-private]}
  - {id: dan, accounts: [dan]}
teams:
  - {id: payments-owners, members: [ben, cleo]}
rules:
  - {name: access rights, when: 'change.paths.exists(p, glob(p, "**/iam/**"))', verdict: forbidden, reason: no agent changes access rights}
  - {name: authentication, when: 'service.classification == "critical" && change.paths.exists(p, glob(p, "**/auth/**"))', verdict: approval-required, reason: owners approve changes of the authentication beforehand, by: [owners]}
  - {name: critical, when: service.classification == "critical", verdict: review-required, reason: owners review critical services, by: [owners]}
  - {name: fixtures, when: service.classification == "low", verdict: autonomous, reason: fixtures do no harm}
default: review-required
`

// A story is what was reported about the change, and what the gate is asked.
type story struct {
	events []record.Event
	now    time.Time
	policy string
	later  string // another policy, in force from later on
	since  time.Time
	commit string // that the asker names
}

// A step is a part of a story. Each happens ten minutes after the one before.
type step func(*story)

func (s *story) add(sender, witness string, f record.Fact) *record.Event {
	s.now = s.now.Add(10 * time.Minute)
	text, _ := json.Marshal(f)
	s.events = append(s.events, record.Event{
		Sender: sender, Source: "/" + sender, ID: fmt.Sprint(len(s.events)), Type: record.TypeOf(f), Repository: repository, Change: change,
		Time: s.now, Arrived: s.now, Witness: witness, Fact: f, Digest: digests.Of(text),
	})
	e := &s.events[len(s.events)-1]
	if _, ok := f.(*record.Pushed); ok { // to the branch of the change: it names commits only
		e.Change = ""
	}
	return e
}

const host, builds = "platform:github", "platform:ci"

func by(author, kind string, files ...string) step {
	return func(s *story) {
		s.add(host, record.Observed, &record.Opened{Revision: record.Revision{Author: author, AuthorType: kind, HeadSHA: commit1, BaseRef: "main", Branch: "fix", Files: files}})
		s.add(host, record.Observed, push("", commit1, author, files))
	}
}

func push(before, after, author string, files []string) *record.Pushed {
	return &record.Pushed{Branch: "fix", Before: before, After: after, Pusher: author, Commits: []record.Commit{{SHA: after, Author: author}}, Files: files}
}

func fixer(files ...string) step { return by("fixer[bot]", "bot", files...) }

// pushes moves the head.
func pushes(author string, files ...string) step {
	return func(s *story) {
		s.add(host, record.Observed, push(commit1, commit2, author, files))
		s.add(host, record.Observed, &record.Updated{Revision: record.Revision{HeadSHA: commit2, Branch: "fix", Files: files}})
	}
}

func review(who, verdict, commit string) step {
	return func(s *story) {
		s.add(host, record.Observed, &record.Review{Reviewer: who, ReviewerType: "human", Verdict: verdict, CommitSHA: commit, SubmittedAt: s.now.Add(10 * time.Minute), ReviewID: fmt.Sprint("r", len(s.events))})
	}
}

// dismisses withdraws the review before.
func dismisses(who string) step {
	return func(s *story) {
		withdrawn := *s.events[len(s.events)-1].Fact.(*record.Review)
		withdrawn.Verdict, withdrawn.SubmittedAt = "dismissed", s.now.Add(10*time.Minute)
		s.add(host, record.Observed, &withdrawn)
	}
}

func approves(who string) step      { return review(who, "approved", commit1) }
func approvesHead2(who string) step { return review(who, "approved", commit2) }

// permits is an approval before the work.
func permits(who string, valid time.Duration, scope ...string) step {
	return func(s *story) {
		a := &record.Approval{Approver: who, Scope: scope}
		if valid != 0 {
			a.ExpiresAt = s.now.Add(10*time.Minute + valid)
		}
		s.add("person:"+who, record.Human, a)
	}
}

// permitsOnly is an approval before the work for the changes of one agent, or of some kinds.
func permitsOnly(who, agent string, kinds ...string) step {
	return func(s *story) {
		s.add("person:"+who, record.Human, &record.Approval{Approver: who, Agent: agent, Kinds: kinds})
	}
}

func withdraws(who string) step {
	return func(s *story) {
		s.add("person:"+who, record.Human, &record.Approval{Approver: who, Verdict: "refused"})
	}
}

func ci(name, conclusion, commit string) step {
	return func(s *story) {
		s.add(builds, record.Observed, &record.Validation{Name: name, CommitSHA: commit, Conclusion: conclusion})
	}
}

// claim lets nobody in particular say something.
func claim(f record.Fact) step {
	return func(s *story) { s.add("", record.Claimed, f) }
}

func decides(agent, delegatedBy string) step {
	return func(s *story) {
		s.add("agent:"+agent, record.Signed, &record.Decision{Agent: record.Agent{ID: agent, DelegatedBy: delegatedBy}, Chosen: "a", Options: []record.Option{{ID: "a", Title: "A", Outcome: "chosen"}}})
	}
}

func says(f record.Fact) step { return func(s *story) { s.add(host, record.Observed, f) } }

func waits(d time.Duration) step { return func(s *story) { s.now = s.now.Add(d) } }

func asks(commit string) step { return func(s *story) { s.commit = commit } }

// rules changes the policy of the company.
func rules(old, new string) step {
	return func(s *story) { s.policy = strings.Replace(s.policy, old, new, 1) }
}

// afterwards puts another policy in force now.
func afterwards(old, new string) step {
	return func(s *story) { s.later, s.since = strings.Replace(s.policy, old, new, 1), s.now }
}

// orders lets a person break the glass for a commit, as changetrail itself records it.
func orders(who, commit string) step {
	return func(s *story) { s.add("platform:gateway", record.Observed, order(who, commit, s.now)) }
}

func order(who, commit string, at time.Time) *record.BreakGlass {
	return &record.BreakGlass{Person: who, Reason: "customers cannot pay", CommitSHA: commit, ReviewBy: at.Add(24 * time.Hour)}
}

var (
	everything = rules("services:\n", "mode: gate-everything\nservices:\n")
	checked    = rules("rules:\n", "gate: {checks: [unit, scan]}\nrules:\n")
	glass      = rules("rules:\n", "gate: {break_glass: {by: [dan, ana], review_within: 24h}}\nrules:\n")
	two        = rules("rules:\n", "approvers: {critical: 2}\nrules:\n")
	inPayments = fixer("payments/src/a.go")
	inAuth     = fixer("payments/auth/login.go")
	inCatalog  = fixer("catalog/a.go")
	inFixtures = fixer("testdata/a.json")
)

// decide asks the gate at the end of a story.
func decide(t *testing.T, steps []step) gate.Decision {
	t.Helper()
	s, r := tell(t, steps)
	now := s.now.Add(time.Minute)
	return gate.Decide(enricher.PreviewOf(change, record.Gather(change, s.events), r, now), s.commit, now)
}

// tell returns a story, and the policies that were in force.
func tell(t *testing.T, steps []step) (*story, enricher.Rules) {
	t.Helper()
	s := &story{now: morning, policy: company}
	for _, do := range steps {
		do(s)
	}
	matrix, err := controls.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := enricher.Always(parse(t, s.policy), matrix)
	if s.later != "" {
		later := parse(t, s.later)
		r.Policies, _ = r.Policies.Add(policy.Version[*policy.Policy]{Digest: later.Digest(), Arrived: s.since, Content: later}, s.since)
	}
	return s, r
}

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A situation is a sentence, and what the gate must answer: allowed, or denied with words of a
// reason.
type situation struct {
	says  string
	steps []step
	want  string // "" for allowed
}

var situations = []situation{
	// Who made it, and what.
	{"An agent changes a test fixture: it may go on alone.", []step{inFixtures}, ""},
	{"An agent changes a fixture, and nobody needs to have reviewed it.", []step{inFixtures, review("ana", "commented", commit1)}, ""},
	{"A person changes a fixture.", []step{by("dan", "human", "testdata/a.json")}, ""},
	{"A person changes the authentication: the policy decides about agents only.", []step{by("dan", "human", "payments/auth/login.go")}, ""},
	{"It is not known who made the change.", []step{by("", "", "testdata/a.json")}, "not known whether a person or an agent"},
	{"A bot that the policy does not list changes a fixture.", []step{by("other[bot]", "bot", "testdata/a.json")}, "does not list"},
	{"An agent that may change fixtures alone changes the catalog.", []step{by("writer[bot]", "bot", "catalog/a.go")}, "may change only"},
	{"An agent that may change fixtures alone changes a fixture.", []step{by("writer[bot]", "bot", "testdata/a.json")}, ""},
	{"An agent changes files that belong to no service.", []step{fixer("scripts/a.sh")}, "no service"},
	{"An agent changes a fixture and a file of no service.", []step{fixer("testdata/a.json", "scripts/a.sh")}, ""},
	{"An agent changes access rights.", []step{fixer("payments/iam/roles.yaml"), approves("ben")}, "forbids"},
	{"An agent changes access rights, and an owner approved it beforehand.", []step{permits("ben", 0), fixer("payments/iam/roles.yaml"), approves("ben")}, "forbids"},
	{"A person opened the change, and an agent decided it.", []step{by("dan", "human", "catalog/a.go"), decides("fixer", "ana")}, "review"},
	{"A person opened a fixture's change, and an agent decided it.", []step{by("dan", "human", "testdata/a.json"), decides("fixer", "ana")}, "Nobody independent"},

	// Reviews.
	{"An agent changes the catalog, and nobody reviewed it.", []step{inCatalog}, "Nobody independent has approved"},
	{"An agent changes the catalog, and a person approved.", []step{inCatalog, approves("dan")}, ""},
	{"An agent changes the catalog, and a person commented.", []step{inCatalog, review("dan", "commented", commit1)}, "Nobody independent"},
	{"An agent changes the catalog, and a person asked for changes.", []step{inCatalog, review("dan", "changes-requested", commit1)}, "asked for changes"},
	{"One person approved, and another asked for changes.", []step{inCatalog, approves("ana"), review("dan", "changes-requested", commit1)}, "asked for changes"},
	{"A person asked for changes and then approved.", []step{inCatalog, review("dan", "changes-requested", commit1), approves("dan")}, ""},
	{"A person approved and then asked for changes.", []step{inCatalog, approves("dan"), review("dan", "changes-requested", commit1)}, "asked for changes"},
	{"A person approved, and the approval was dismissed.", []step{inCatalog, approves("dan"), dismisses("dan")}, "Nobody independent"},
	{"The agent approved its own change.", []step{inCatalog, approves("fixer[bot]")}, "Nobody independent"},
	{"Another bot approved.", []step{inCatalog, approves("checker[bot]")}, "Nobody independent"},
	{"Only a claim says that a person approved.", []step{inCatalog, claim(&record.Review{Reviewer: "dan", ReviewerType: "human", Verdict: "approved", CommitSHA: commit1})}, "Nobody independent"},
	{"A person approved who asked the agent to work.", []step{decides("fixer", "ana"), inCatalog, approves("ana")}, "Nobody independent"},
	{"A person approved who did not ask the agent to work.", []step{decides("fixer", "ana"), inCatalog, approves("dan")}, ""},
	{"The review does not say which commit it is for.", []step{inCatalog, review("dan", "approved", "")}, "requires a review"},
	{"A person approved a commit that is not of this change.", []step{inCatalog, approvesHead2("dan")}, "approve"},
	{"A person who pushed to the branch approved.", []step{inCatalog, pushes("dan", "catalog/a.go"), approvesHead2("dan")}, "Nobody independent"},
	{"Payments: a person approved who is no owner.", []step{inPayments, approves("dan")}, "payments-owners"},
	{"Payments: an owner approved.", []step{inPayments, approves("ben")}, ""},
	{"Payments: an owner approved under another account.", []step{inPayments, approves("cleo-private")}, ""},
	{"Payments: an owner approved who asked for the work.", []step{decides("fixer", "ben"), inPayments, approves("ben")}, "requires a review"},
	{"Payments: one owner asked for the work, and the other approved.", []step{decides("fixer", "ben"), inPayments, approves("cleo")}, ""},
	{"Payments and catalog: an owner approved.", []step{fixer("payments/src/a.go", "catalog/a.go"), approves("ben")}, ""},
	{"Payments and catalog: a person approved who is no owner.", []step{fixer("payments/src/a.go", "catalog/a.go"), approves("dan")}, "payments-owners"},
	{"Payments and fixtures: nobody approved.", []step{fixer("payments/src/a.go", "testdata/a.json")}, "requires a review"},
	{"An owner approved, and a person who is no owner asked for changes.", []step{inPayments, approves("ben"), review("dan", "changes-requested", commit1)}, "asked for changes"},
	{"Two owners approved.", []step{inPayments, approves("ben"), approves("cleo")}, ""},

	// The head moved.
	{"The agent pushed after the approval.", []step{inCatalog, approves("dan"), pushes("fixer[bot]", "catalog/a.go")}, "Nobody independent"},
	{"The agent pushed after the approval, and the person approved again.", []step{inCatalog, approves("dan"), pushes("fixer[bot]", "catalog/a.go"), approvesHead2("dan")}, ""},
	{"The agent pushed a fixture after a fixture.", []step{inFixtures, pushes("fixer[bot]", "testdata/a.json")}, ""},
	{"The agent pushed a payment after a fixture.", []step{inFixtures, pushes("fixer[bot]", "payments/src/a.go")}, "requires a review"},
	{"The agent pushed access rights after an approved payment.", []step{inPayments, approves("ben"), pushes("fixer[bot]", "payments/iam/r.yaml")}, "forbids"},
	{"A person approved the second commit before it was pushed.", []step{inCatalog, approvesHead2("dan"), pushes("fixer[bot]", "catalog/a.go")}, ""},
	{"You ask about the newest commit.", []step{inFixtures, asks(commit1)}, ""},
	{"You ask about the newest commit, shortened.", []step{inFixtures, asks(commit1[:7])}, ""},
	{"You ask about a commit that was never pushed.", []step{inFixtures, asks(commit2)}, "You asked about commit"},
	{"You ask about a commit that is not the newest any more.", []step{inFixtures, pushes("fixer[bot]", "testdata/a.json"), asks(commit1)}, "You asked about commit"},
	{"A claim says that the head is an earlier, approved commit.", []step{inCatalog, approves("dan"), pushes("fixer[bot]", "catalog/a.go"), claim(&record.Updated{Revision: record.Revision{HeadSHA: commit1}})}, "Nobody independent"},
	{"Only a claim says what the head is.", []step{says(&record.Opened{Revision: record.Revision{Author: "fixer[bot]", AuthorType: "bot"}}), claim(&record.Updated{Revision: record.Revision{HeadSHA: commit1}})}, "Only a claim"},
	{"No commit was reported.", []step{says(&record.Opened{Revision: record.Revision{Author: "fixer[bot]", AuthorType: "bot"}})}, "No newest commit"},

	// The state of the change.
	{"Only a claim says that the change exists.", []step{claim(&record.Opened{Revision: record.Revision{Author: "dan", AuthorType: "human", HeadSHA: commit1}})}, "No code host has reported"},
	{"Only a report of CI names the change.", []step{ci("unit", "success", commit1)}, "No code host has reported"},
	{"The change is merged.", []step{inFixtures, says(&record.Merged{MergeSHA: commit2, Revision: record.Revision{HeadSHA: commit1}})}, "already merged"},
	{"The change is closed.", []step{inFixtures, says(&record.Closed{})}, "closed"},
	{"The change was closed and opened again.", []step{inFixtures, says(&record.Closed{}), says(&record.Updated{Revision: record.Revision{State: "open"}})}, ""},
	{"A claim says that it was merged.", []step{inFixtures, claim(&record.Merged{MergeSHA: commit2})}, ""},

	// Approvals before the work.
	{"Authentication: nobody approved.", []step{inAuth}, "approval of a person"},
	{"Authentication: an owner reviewed, and nobody approved beforehand.", []step{inAuth, approves("ben")}, "approval of a person"},
	{"Authentication: an owner approved beforehand, and nobody reviewed.", []step{permits("ben", 0), inAuth}, "Nobody independent"},
	{"Authentication: an owner approved beforehand and reviewed.", []step{permits("ben", 0), inAuth, approves("ben")}, ""},
	{"Authentication: an owner approved beforehand, and another person reviewed.", []step{permits("ben", 0), inAuth, approves("dan")}, ""},
	{"Authentication: a person approved beforehand who is no owner.", []step{permits("dan", 0), inAuth, approves("ben")}, "approval of a person"},
	{"Authentication: the approval has expired.", []step{permits("ben", time.Hour), inAuth, approves("cleo"), waits(2 * time.Hour)}, "approval"},
	{"Authentication: the approval has not expired.", []step{permits("ben", time.Hour), inAuth, approves("cleo")}, ""},
	{"Authentication: the approval is for another service.", []step{permits("ben", 0, "catalog"), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the approval names the service.", []step{permits("ben", 0, "payments"), inAuth, approves("cleo")}, ""},
	{"Authentication: the approval names the folder.", []step{permits("ben", 0, "payments/auth/**"), inAuth, approves("cleo")}, ""},
	{"Authentication: the approval names another folder.", []step{permits("ben", 0, "payments/api/**"), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the approval is for changes of the code.", []step{permitsOnly("ben", "fixer", "code", "test"), inAuth, approves("cleo")}, ""},
	{"Authentication: the approval is for changes of the documentation.", []step{permitsOnly("ben", "", "documentation"), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the approval is for the documentation, and the agent then pushes code.", []step{permitsOnly("ben", "", "documentation"), fixer("payments/auth/README.md"), approves("cleo"), pushes("fixer[bot]", "payments/auth/login.go"), approvesHead2("cleo")}, "approval of a person"},
	{"Authentication: the approval is for this agent under its account.", []step{permitsOnly("ben", "fixer[bot]"), inAuth, approves("cleo")}, ""},
	{"Authentication: the approval is for another agent.", []step{permitsOnly("ben", "writer"), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the approval was withdrawn.", []step{permits("ben", 0), withdraws("ben"), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the approval was withdrawn and given again.", []step{permits("ben", 0), withdraws("ben"), permits("ben", 0), inAuth, approves("cleo")}, ""},
	{"Authentication: the owner who approved asked for the work.", []step{permits("ben", 0), decides("fixer", "ben"), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: only a claim says that an owner approved.", []step{claim(&record.Approval{Approver: "ben"}), inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the agent says that an owner approved.", []step{func(s *story) { s.add("agent:fixer", record.Claimed, &record.Approval{Approver: "ben"}) }, inAuth, approves("cleo")}, "approval of a person"},
	{"Authentication: the agent pushed another file of it after the approval.", []step{permits("ben", 0, "payments/auth/login.go"), inAuth, approves("cleo"), pushes("fixer[bot]", "payments/auth/token.go"), approvesHead2("cleo")}, "approval of a person"},

	// Two people.
	{"Two people must approve: nobody did.", []step{two, inAuth, approves("dan")}, "approval of 2 people, given beforehand (rule authentication), which has not been given yet: 0 have approved"},
	{"Two people must approve: one owner did.", []step{two, permits("ben", 0), inAuth, approves("dan")}, "approval of 2 people, given beforehand (rule authentication), which has not been given yet: 1 has approved"},
	{"Two people must approve: two owners did.", []step{two, permits("ben", 0), permits("cleo", 0), inAuth, approves("dan")}, ""},
	{"Two people must approve: one owner did so under two accounts.", []step{two, permits("cleo", 0), permits("cleo-private", 0), inAuth, approves("dan")}, "1 has approved"},
	{"Two people must approve: one owner did so twice.", []step{two, permits("ben", 0), permits("ben", 0), inAuth, approves("dan")}, "1 has approved"},
	{"Two people must approve: an owner did, and a person who is no owner.", []step{two, permits("ben", 0), permits("dan", 0), inAuth, approves("ana")}, "1 has approved"},
	{"Two people must approve: an owner did, and the owner who asked for the work.", []step{two, permits("ben", 0), permits("cleo", 0), decides("fixer", "ben"), inAuth, approves("dan")}, "1 has approved"},
	{"Two people must approve: two owners did, and one withdrew it.", []step{two, permits("ben", 0), permits("cleo", 0), withdraws("ben"), inAuth, approves("dan")}, "1 has approved"},
	{"Two people must approve: two owners did, and one approval has expired.", []step{two, permits("ben", 0), permits("cleo", time.Hour), inAuth, approves("dan"), waits(2 * time.Hour)}, "beforehand"},
	{"Two people must approve: two owners did, one of them for another service.", []step{two, permits("ben", 0), permits("cleo", 0, "catalog"), inAuth, approves("dan")}, "1 has approved"},
	{"Two people must approve: two owners did, each for the folder or the service.", []step{two, permits("ben", 0, "payments/auth/**"), permits("cleo", 0, "payments"), inAuth, approves("dan")}, ""},
	{"Two people must approve: an owner did, and only a claim says that the other did.", []step{two, permits("ben", 0), claim(&record.Approval{Approver: "cleo"}), inAuth, approves("dan")}, "1 has approved"},
	{"Two people must approve: two owners did, and only a claim says that one asked for the work.", []step{two, permits("ben", 0), permits("cleo", 0), claim(&record.Decision{Agent: record.Agent{ID: "fixer", DelegatedBy: "ben"}}), inAuth, approves("dan")}, "requires the approval of 2 people"},
	{"Two people must approve, and there is one owner.", []step{two, rules("members: [ben, cleo]", "members: [cleo, cleo-private]"), permits("cleo", 0), inAuth, approves("dan")}, "0 have approved"},
	{"Two people must approve for critical services: a fixture of a policy that wants one.", []step{two, everything, permits("dan", 0), inFixtures, approves("ana")}, ""},
	{"Two people must approve, and everything needs a person: one approved a payment.", []step{two, everything, permits("ben", 0), inPayments, approves("ben")}, "approval of 2 people"},
	{"Two people must approve, and everything needs a person: two approved a payment, of whom one is no owner.", []step{two, everything, permits("ben", 0), permits("dan", 0), inPayments, approves("ben")}, ""},
	{"Two people must approve where somebody asked who may not: one delegate did.", []step{rules("rules:\n", "approvers: {medium: 2}\nrules:\n"), permits("ana", 0), decides("fixer", "dan"), inCatalog, approves("cleo")}, "1 has approved"},
	{"Two people must approve where somebody asked who may not: two delegates did.", []step{rules("rules:\n", "approvers: {medium: 2}\nrules:\n"), permits("ana", 0), permits("ben", 0), decides("fixer", "dan"), inCatalog, approves("cleo")}, ""},
	{"Two people must approve beforehand, and one review is enough where a review is required.", []step{two, inPayments, approves("ben")}, ""},
	{"One person approved, and then another policy came into force that requires two.", []step{permits("ben", 0), inAuth, approves("dan"), afterwards("rules:\n", "approvers: {critical: 2}\nrules:\n")}, "1 has approved"},

	// Break-glass.
	{"A person broke the glass for the newest commit.", []step{glass, inPayments, orders("dan", commit1)}, ""},
	{"A person broke the glass for a change that the policy forbids.", []step{glass, fixer("payments/iam/r.yaml"), orders("dan", commit1)}, ""},
	{"A person broke the glass for a change whose tests failed.", []step{glass, inFixtures, ci("unit", "failure", commit1), orders("dan", commit1)}, ""},
	{"A person broke the glass for a change whose maker is not known.", []step{glass, by("", "", "payments/src/a.go"), orders("dan", commit1)}, ""},
	{"A person broke the glass, and the agent pushed afterwards.", []step{glass, inPayments, orders("dan", commit1), pushes("fixer[bot]", "payments/src/a.go")}, "requires a review"},
	{"A person broke the glass for the second commit before it was pushed.", []step{glass, inPayments, orders("dan", commit2)}, "requires a review"},
	{"A person broke the glass, and a reviewer asked for changes.", []step{glass, inPayments, orders("dan", commit1), review("ben", "changes-requested", commit1)}, ""},
	{"A person broke the glass, and you ask about another commit.", []step{glass, inPayments, orders("dan", commit1), asks(commit2)}, "You asked about commit"},
	{"A person broke the glass, and the time for the review is over.", []step{glass, inPayments, orders("dan", commit1), waits(25 * time.Hour)}, "requires a review"},
	{"A person broke the glass, and once more when the time was over.", []step{glass, inPayments, orders("dan", commit1), waits(25 * time.Hour), orders("ana", commit1)}, ""},
	{"A person broke the glass, and the change is closed.", []step{glass, inPayments, orders("dan", commit1), says(&record.Closed{})}, "closed"},
	{"The policy lets nobody break the glass.", []step{inPayments, orders("dan", commit1)}, "requires a review"},
	{"A person broke the glass, and then another policy came into force that lets nobody.", []step{glass, inPayments, orders("dan", commit1), afterwards("gate: {break_glass: {by: [dan, ana], review_within: 24h}}", "")}, "requires a review"},
	{"Only a claim says that a person broke the glass.", []step{glass, inPayments, claim(order("dan", commit1, morning))}, "requires a review"},
	{"An agent says that a person broke the glass.", []step{glass, inPayments, func(s *story) { s.add("agent:fixer", record.Claimed, order("dan", commit1, s.now)) }}, "requires a review"},
	{"A person broke the glass, and then an owner approved.", []step{glass, inPayments, orders("dan", commit1), approves("ben")}, ""},

	// Everything needs a person.
	{"Everything needs a person: a fixture.", []step{everything, inFixtures}, "approval of a person"},
	{"Everything needs a person: a fixture that somebody approved beforehand.", []step{everything, permits("dan", 0), inFixtures}, "Nobody independent"},
	{"Everything needs a person: a fixture that somebody approved and reviewed.", []step{everything, permits("dan", 0), inFixtures, approves("ana")}, ""},
	{"Everything needs a person: a person's own change.", []step{everything, by("dan", "human", "testdata/a.json")}, ""},
	{"Everything needs a person: access rights, approved by all.", []step{everything, permits("ben", 0), fixer("payments/iam/r.yaml"), approves("ben")}, "forbids"},

	// Who asked.
	{"Somebody asked for the work who may not, and a person reviewed.", []step{decides("fixer", "dan"), inCatalog, approves("ana")}, "approval"},
	{"Somebody asked for the work who may not, and a delegate approved beforehand.", []step{permits("ana", 0), decides("fixer", "dan"), inCatalog, approves("cleo")}, ""},
	{"A claim says that somebody asked who may not.", []step{claim(&record.Decision{Agent: record.Agent{ID: "fixer", DelegatedBy: "dan"}}), inCatalog, approves("cleo")}, "requires"},

	// CI.
	{"No check is required, and CI has not run.", []step{inFixtures}, ""},
	{"No check is required, and CI succeeded.", []step{inFixtures, ci("unit", "success", commit1)}, ""},
	{"No check is required, and a job failed.", []step{inFixtures, ci("unit", "failure", commit1)}, "The CI job unit failed"},
	{"No check is required, and the job that asks the gate failed after a denial.", []step{inFixtures, ci(gate.OwnJob, "failure", commit1)}, ""},
	{"The job that asks the gate is required, and failed.", []step{rules("rules:\n", "gate: {checks: [changetrail gate]}\nrules:\n"), inFixtures, ci(gate.OwnJob, "failure", commit1)}, "check changetrail gate did not pass"},
	{"A job failed on an earlier commit.", []step{inFixtures, ci("unit", "failure", commit1), pushes("fixer[bot]", "testdata/a.json"), ci("unit", "success", commit2)}, ""},
	{"Only a claim says that a job failed.", []step{inFixtures, claim(&record.Validation{Name: "unit", CommitSHA: commit1, Conclusion: "failure"})}, ""},
	{"Two checks are required, and both succeeded.", []step{checked, inFixtures, ci("unit", "success", commit1), ci("scan", "success", commit1)}, ""},
	{"Two checks are required, and one did not run.", []step{checked, inFixtures, ci("unit", "success", commit1)}, "check scan did not run"},
	{"Two checks are required, and one failed.", []step{checked, inFixtures, ci("unit", "success", commit1), ci("scan", "failure", commit1)}, "check scan did not pass"},
	{"Two checks are required, and one was skipped.", []step{checked, inFixtures, ci("unit", "skipped", commit1), ci("scan", "success", commit1)}, "check unit did not pass"},
	{"Two checks are required, and one waits for a person.", []step{checked, inFixtures, ci("unit", "waiting", commit1), ci("scan", "success", commit1)}, "check unit did not pass"},
	{"The required checks ran on an earlier commit.", []step{checked, inFixtures, ci("unit", "success", commit1), ci("scan", "success", commit1), pushes("fixer[bot]", "testdata/a.json")}, "did not run"},
	{"Only a claim says that the required checks succeeded.", []step{checked, inFixtures, claim(&record.Validation{Name: "unit", CommitSHA: commit1, Conclusion: "success"}), claim(&record.Validation{Name: "scan", CommitSHA: commit1, Conclusion: "success"})}, "did not run"},
	{"The required checks succeeded, and another job failed.", []step{checked, inFixtures, ci("unit", "success", commit1), ci("scan", "success", commit1), ci("nightly", "failure", commit1)}, ""},
	{"A required check failed and then succeeded.", []step{checked, inFixtures, ci("unit", "failure", commit1), ci("unit", "success", commit1), ci("scan", "success", commit1)}, ""},
	{"Checks are required of agents, not of people.", []step{checked, by("dan", "human", "testdata/a.json")}, ""},
	{"The checks succeeded, and nobody reviewed the catalog.", []step{checked, inCatalog, ci("unit", "success", commit1), ci("scan", "success", commit1)}, "Nobody independent"},

	// The policy.
	{"No policy says anything.", []step{func(s *story) { s.policy = "" }, inFixtures}, "No policy"},
	{"Another policy came into force that requires a review of fixtures.", []step{inFixtures, afterwards("verdict: autonomous", "verdict: review-required")}, "requires a review"},
	{"Another policy came into force that lets fixtures go, and the catalog was not reviewed.", []step{inCatalog, afterwards("default: review-required", "default: autonomous")}, ""},
	{"Another policy came into force that forbids the catalog, after the approval.", []step{inCatalog, approves("dan"), afterwards("default: review-required", "default: forbidden")}, "forbids"},
	{"Another policy came into force with other owners.", []step{inPayments, approves("ben"), afterwards("members: [ben, cleo]", "members: [dan]")}, "payments-owners"},
}

// TestSituations asks the gate in each situation.
func TestSituations(t *testing.T) {
	if len(situations) < 80 {
		t.Errorf("%d situations", len(situations))
	}
	for _, s := range situations {
		t.Run(s.says, func(t *testing.T) {
			d := decide(t, s.steps)
			reasons := strings.Join(d.Reasons, " ")
			switch {
			case d.Allowed != (s.want == ""):
				t.Errorf("allowed is %v: %s", d.Allowed, reasons)
			case !strings.Contains(reasons, s.want):
				t.Errorf("the reasons do not say %q: %s", s.want, reasons)
			case reasons == "":
				t.Error("no reason is given")
			}
		})
	}
}

// TestWhatIsMissingNamesPeople: those who took part are not among those who can give it.
func TestWhatIsMissingNamesPeople(t *testing.T) {
	for _, c := range []struct {
		says  string
		steps []step
		want  string
	}{
		{"a review by the owners", []step{inPayments}, "a review for payments by ben or cleo (payments-owners)"},
		{"an owner asked for the work", []step{decides("fixer", "ben"), inPayments}, "a review for payments by cleo (payments-owners)"},
		{"any person", []step{inCatalog}, "a review for catalog by any person who took no part in the change"},
		{"an approval", []step{inAuth, approves("dan")}, "an approval for payments by ben or cleo (payments-owners)"},
		{"two people", []step{two, inAuth, approves("dan")}, "2 approvals for payments, each by another of ben, cleo (payments-owners)"},
		{"the second of two people", []step{two, permits("ben", 0), inAuth, approves("dan")}, "an approval for payments by cleo (payments-owners)"},
		{"two people where one took part", []step{two, decides("fixer", "ben"), inAuth, approves("dan")}, "2 approvals for payments, each by another of payments-owners, where only 1 took no part in the change"},
		{"two people, whoever they are", []step{two, everything, inPayments, approves("ben")}, "2 approvals for payments, each by any person who took no part in the change"},
		{"the second of two people, whoever it is", []step{two, everything, permits("dan", 0), inPayments, approves("ben")}, "an approval for payments by any person besides dan who took no part in the change"},
		{"nobody is left", []step{rules("members: [ben, cleo]", "members: [ben]"), decides("fixer", "ben"), inPayments}, "a review for payments by payments-owners, where nobody is known who took no part in the change"},
	} {
		t.Run(c.says, func(t *testing.T) {
			d := decide(t, c.steps)
			if len(d.Missing) == 0 || d.Missing[0].Give() != c.want {
				t.Errorf("missing %+v, want %q", d.Missing, c.want)
			}
		})
	}
}
