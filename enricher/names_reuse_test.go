package enricher

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// about reports whether an event is about the repository with an identity.
func about(id string) func(record.Event) bool {
	return func(e record.Event) bool { return e.RepositoryID == id }
}

// TestRepositoriesThatTakeEachOthersNamesStayApart lets two repositories have the same names, one
// after the other, in events that come in any order.
func TestRepositoriesThatTakeEachOthersNamesStayApart(t *testing.T) {
	s := openTestStore(t)
	for seed := range uint64(60) {
		r := newRenaming(t, s, seed, seed%2 == 1)
		for i, number := range []int{payNumber, payNumber + 1} {
			first, second := payNames[i], payNames[1-i]
			r.opened(number, first, i)
			r.approved(number, first, 20+i)
			r.approved(number, second, 50+i)
			r.merged(number, second, 80+i)
			if r.rnd.IntN(2) == 0 {
				r.renamed(number, first, second, 40+i)
			}
		}
		r.arrive(true)
		one, two := r.key(payID), r.key(otherID)
		if one == two {
			t.Fatalf("seed %d: both have the key %s", seed, one)
		}
		for id, key := range map[string]record.Repository{payID: one, otherID: two} {
			want := r.whole(key, about(id))
			if got := r.record(want.Trail.Change.ID); Digest(got) != Digest(want) {
				t.Fatalf("seed %d: %s has another record than its own events make: %+v", seed, id, got.Trail.Change)
			}
		}
	}
}

// TestTheOldNameMeansTheRenamedRepositoryUntilAnotherTakesIt checks that events without an
// identity follow the name, as the redirect of the code host does.
func TestTheOldNameMeansTheRenamedRepositoryUntilAnotherTakesIt(t *testing.T) {
	s := openTestStore(t)
	for seed := range uint64(20) {
		r := newRenaming(t, s, seed, seed%2 == 1)
		told := func(name string, of record.Repository) {
			r.agent(name, of, &record.Action{Agent: record.Agent{ID: "coder"}, Tool: name, Outcome: "success"})
			r.arrive(false)
		}
		pay, payments := payNames[0], payNames[1]
		told("before anything is known", pay)
		r.opened(payNumber, pay, 0)
		told("while it has the name", pay)
		r.renamed(payNumber, pay, payments, 30)
		told("by the old name", pay)
		told("by the new name", payments)
		r.opened(payNumber+1, pay, 60)
		told("by the name that another has taken", pay)
		told("by the new name still", payments)
		r.renamed(payNumber+1, pay, payNames[2], 90)
		told("by the name that the other had last", pay)
		want := map[string][]string{
			payID:   {"before anything is known", "by the new name", "by the new name still", "by the old name", "while it has the name"},
			otherID: {"by the name that another has taken", "by the name that the other had last"},
		}
		for id, tools := range want {
			if a := r.record(r.key(id).Change("/pull/7")).Trail.Actions; a == nil || !slices.Equal(a.Tools, tools) || a.Count != int64(len(tools)) {
				t.Fatalf("seed %d: of %s: %+v", seed, id, a)
			}
		}
	}
}

// TestNobodyButTheCodeHostRenames lets an agent and others state that a repository was renamed.
func TestNobodyButTheCodeHostRenames(t *testing.T) {
	const evil = record.Repository("github.com/acme/evil")
	text := fmt.Sprintf(`{"action":"renamed","changes":{"repository":{"name":{"from":"pay"}}},"repository":{"id":%d,"full_name":"acme/evil","html_url":"https://github.com/acme/evil"}}`, payNumber)
	review := fmt.Sprintf(`{"action":"submitted","review":{"id":1,"state":"approved","user":{"id":2,"login":"mira","type":"User"},"commit_id":%q,"submitted_at":"2026-11-12T00:30:00Z"},"pull_request":{"number":7,"user":{"login":"x"}},"repository":{"id":%d,"full_name":"acme/evil","html_url":"https://github.com/acme/evil"}}`, headSHA, payNumber)
	word := fmt.Sprintf(`{"name":"github.com/acme/evil","key":"github.com/acme/pay","id":%q,"at":"2026-11-12T00:30:00Z"}`, payID)
	for name, as := range map[string]func(*schemas.Envelope){
		"an agent":         func(e *schemas.Envelope) { e.AuthType, e.AuthID = schemas.AuthService, "coder" },
		"another platform": func(e *schemas.Envelope) { e.AuthType, e.AuthID = schemas.AuthSystem, "jenkins" },
		"a person":         func(e *schemas.Envelope) { e.AuthType, e.AuthID = schemas.AuthUser, "mira" },
		"nobody":           func(*schemas.Envelope) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRenaming(t, openTestStore(t), 1, false)
			r.opened(payNumber, payNames[0], 0)
			r.arrive(false)
			before := Digest(r.record(payNames[0].Change("/pull/7")))
			for i, body := range []struct{ typ, text string }{{"com.github.repository.renamed", text}, {"com.github.pull_request_review.submitted", review}} {
				env := schemas.Envelope{Type: body.typ, Data: []byte(body.text), DataContentType: schemas.ContentTypeJSON}
				as(&env)
				if env.AuthType == "" || env.AuthType == schemas.AuthSystem { // from others it is refused
					r.later("/x", fmt.Sprint(i), string(evil), env)
				}
			}
			r.agent("decision", evil, decision("session-1"))
			r.arrive(false)
			if got := Digest(r.record(payNames[0].Change("/pull/7"))); got != before {
				t.Error("an event about acme/evil changed the record of acme/pay")
			}
			env := schemas.Envelope{SpecVersion: "1.0", ID: "w", Source: "/changetrail/enricher", Type: record.TypeRepositoryNamed, Data: []byte(word), DataContentType: schemas.ContentTypeJSON, Time: r.at}
			as(&env)
			m := r.e.pendingRuns.send(env, env.AuthID != "", string(evil), "")
			m.Timestamp = r.at
			out, err := r.e.Apply(t.Context(), []*stream.Record{m})
			if err != nil || !slices.ContainsFunc(out, func(r *stream.Record) bool {
				return r.Topic == "b.dlq" && string(stream.Header(r, stream.HeaderReason)) == string(schemas.NotTheSenders)
			}) {
				t.Errorf("a message about names that the enricher did not send was accepted: %v", err)
			}
		})
	}
}

// TestACopyOfAnEventGoesNowhereElse copies a webhook of one repository and gives it a route to
// another: the route must be signed.
func TestACopyOfAnEventGoesNowhereElse(t *testing.T) {
	r := newRenaming(t, openTestStore(t), 1, false)
	r.opened(payNumber, payNames[0], 0)
	r.arrive(false)
	before := Digest(r.record(payNames[0].Change("/pull/7")))
	r.approved(payNumber+1, "github.com/acme/evil", 10)
	r.queued[0]()
	var genuine *stream.Record
	for p := range r.queue {
		for _, m := range r.queue[p] {
			genuine = m
		}
	}
	r.run()
	d, err := decode(t.Context(), genuine, r.e.conf.reader(), nil)
	if err != nil || d.event.Witness != record.Observed {
		t.Fatal(err, d.refusal)
	}
	other := signing.Of([]byte("another key that nobody knows of"))
	for _, route := range [][]byte{
		[]byte("at  github.com/acme/pay"), []byte("at x:y github.com/acme/pay"),
		schemas.Route(other, d.env, routeAt, "github.com/acme/pay"),
		schemas.Route(millKey, schemas.Envelope{ID: "another event"}, routeAt, "github.com/acme/pay"),
	} {
		forged := *genuine
		forged.Headers = append(slices.Clone(genuine.Headers), kgo.RecordHeader{Key: stream.HeaderRoute, Value: route})
		forged.Partition = r.e.partitions.Of("github.com/acme/pay")
		r.push(&forged)
		r.run()
	}
	if got := Digest(r.record(payNames[0].Change("/pull/7"))); got != before {
		t.Error("a copy of an event of another repository changed the record")
	}
}

// TestAProjectOfGitLabIsRenamed has no event that reports the renaming: the number of the project
// shows it.
func TestAProjectOfGitLabIsRenamed(t *testing.T) {
	r := newRenaming(t, openTestStore(t), 1, true)
	merge := func(name record.Repository, action, state string, minute int) {
		at := r.at.Add(-4 * time.Hour).Add(time.Duration(minute) * time.Minute).Format("2006-01-02 15:04:05 UTC")
		r.webhook("merge_request."+action, 74, name, fmt.Sprintf(
			`"object_kind":"merge_request","user":{"id":2,"username":"mira"},"object_attributes":{"iid":7,"action":%q,"state":%q,"created_at":%q,"updated_at":%q,"last_commit":{"id":%q},"merge_commit_sha":%q}`, action, state, at, at, headSHA, mergeSHA))
	}
	merge("gitlab.com/acme/pay", "open", "opened", 0)
	merge("gitlab.com/core/payments", "approved", "opened", 10)
	merge("gitlab.com/core/payments", "merge", "merged", 20)
	r.arrive(true)
	key := r.key("gitlab.com#74")
	want := record.ChangeID(key + "/merge_requests/7")
	if len(r.records) != 1 || r.records[want] == nil {
		t.Fatalf("records: %v", r.records)
	}
	c := r.records[want].Trail.Change
	if c.State != "merged" || c.Repository != "gitlab.com/core/payments" || r.records[want].Trail.Review == nil || !slices.Equal(c.OtherNames, []record.Repository{"gitlab.com/acme/pay"}) {
		t.Errorf("%+v", c)
	}
}

// TestRecordsOfARenamedRepositoryAreFoundByItsNewName checks that records without further events
// are made again too.
func TestRecordsOfARenamedRepositoryAreFoundByItsNewName(t *testing.T) {
	for name, lossy := range map[string]bool{"": false, "over a broker that loses what was not synced": true} {
		t.Run(name, func(t *testing.T) {
			const changes = 2*renewRecords + 30
			r := newRenaming(t, openTestStore(t), 1, lossy)
			for i := range changes {
				r.webhook("pull_request.opened", payNumber, payNames[0], strings.Replace(`"action":"opened",`+r.pull(0, false), `"number":7`, fmt.Sprintf(`"number":%d`, i+1), 1))
			}
			r.arrive(false)
			r.renamed(payNumber, payNames[0], payNames[1], 30)
			r.arrive(false)
			for i := range changes {
				rest := fmt.Sprintf("/pull/%d", i+1)
				d := r.records[payNames[0].Change(rest)]
				if d == nil || !slices.Equal(d.Trail.Change.OtherIDs, []record.ChangeID{payNames[1].Change(rest)}) || d.Trail.Change.Repository != payNames[0] {
					t.Fatalf("pull request %d: %+v", i+1, d)
				}
			}
		})
	}
}

// TestARebuildKeepsNames reads all events of a renaming again, once with the names in the state
// and once without, as if the state was lost.
func TestARebuildKeepsNames(t *testing.T) {
	s := openTestStore(t)
	for seed := range uint64(8) {
		r := newRenaming(t, s, seed, false)
		oneRenaming(r, r.rnd)
		r.arrive(seed%2 == 0)
		key := r.key(payID)
		want := r.whole(key, anyEvent)
		for _, lost := range []bool{false, true} {
			for p := range int32(millPartitions) {
				fresh, err := newProjection(openTestStore(t))
				if err != nil {
					t.Fatal(err)
				}
				if !lost {
					if err := fresh.copyNames(p, r.store); err != nil {
						t.Fatal(err)
					}
				}
				b := &rebuild{Config: r.e.conf, partitions: millPartitions, partitioner: stream.NewPartitioner(millPartitions), memory: r.e.memory}
				if err := b.admit(t.Context(), p, fresh, r.log[p]); err != nil {
					t.Fatal(err)
				}
				for x, err := range fresh.store.each(prefixOf(p, kindHead), prefixOf(p, kindHead+1)) {
					if err != nil {
						t.Fatal(err)
					}
					c, err := fresh.ofHead(p, x)
					if err != nil {
						t.Fatal(err)
					}
					f, err := fresh.find(c)
					if err != nil {
						t.Fatal(err)
					}
					got := fold(c.id, f, *r.e.rules.Load(), r.at)
					switch {
					case c.id == want.Trail.Change.ID:
						if Digest(got) != Digest(want) {
							t.Fatalf("seed %d, lost %t (-all events +rebuilt):\n%s", seed, lost, cmp.Diff(want.Trail, got.Trail))
						}
					case f.PartOf != want.Trail.Change.ID:
						t.Fatalf("seed %d, lost %t: %s is made again as a change of its own", seed, lost, c.id)
					}
				}
			}
		}
	}
}

// TestAnArchiveKeepsNames reads the events of one installation in another one, as an archive
// delivers them: without routes, and once in the partitions of their keys.
func TestAnArchiveKeepsNames(t *testing.T) {
	from, to := openTestStore(t), openTestStore(t)
	for seed := range uint64(30) {
		r := newRenaming(t, from, seed, false)
		oneRenaming(r, r.rnd)
		r.arrive(seed%2 == 0)
		other := newRenaming(t, to, seed, false)
		for p := range r.log {
			for _, m := range r.log[p] {
				if string(stream.Header(m, "ce_type")) == record.TypeRepositoryNamed {
					continue
				}
				sent := *m
				sent.Headers = slices.DeleteFunc(slices.Clone(m.Headers), func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderRoute })
				sent.Partition = other.e.partitions.Of(string(m.Key))
				other.push(&sent)
			}
		}
		other.run()
		other.holds(t, fmt.Sprintf("seed %d", seed), r.whole(other.key(payID), anyEvent))
	}
}
