package enricher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A renaming is one repository of a code host with its names, and the events about it in a mill.
type renaming struct {
	*mill
	events []record.Event // all events about it, in the order in which they came
	queued []func()
	seen   map[record.Repository]bool // names that the code host uses for it
}

func newRenaming(t *testing.T, s *store, seed uint64, lossy bool) *renaming {
	t.Helper()
	if err := s.db.DeleteRange([]byte(ownKey(0, "")), []byte(ownKey(millPartitions, "")), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if err := s.written(); err != nil {
		t.Fatal(err)
	}
	return &renaming{mill: newMill(t, s, seed, lossy), seen: make(map[record.Repository]bool)}
}

// later queues an event. An event that names no repository belongs to none of those that are
// checked.
func (r *renaming) later(source, id, key string, env schemas.Envelope) {
	env.SpecVersion, env.ID, env.Source = "1.0", id, source
	r.queued = append(r.queued, func() {
		send := &pendingRuns{keys: millKey, partitions: stream.NewPartitioner(millPartitions), topics: stream.Topics{Prefix: "b"}}
		m := send.send(env, env.AuthID != "", key, "")
		m.Headers = slices.DeleteFunc(m.Headers, func(h kgo.RecordHeader) bool { return h.Key == stream.HeaderRerouted })
		m.Timestamp = r.at
		d, err := decode(r.t.Context(), m, ingest.Reader{Keys: millKey}, nil)
		if err != nil || d.refusal != nil {
			r.t.Fatal(err, d.refusal)
		}
		r.events = append(r.events, d.event)
		r.push(m)
	})
}

// webhook returns a webhook of the code host; body follows the repository.
func (r *renaming) webhook(kind string, number int, name record.Repository, body string) {
	r.webhookAt(kind, number, name, 0, body)
}

func (r *renaming) webhookAt(kind string, number int, name record.Repository, minute int, body string) {
	r.seen[name] = true
	host, path, _ := strings.Cut(string(name), "/")
	text := fmt.Sprintf(`{"repository":{"id":%d,"full_name":%q,"html_url":%q,"updated_at":%q},%s}`, number, path, "https://"+string(name), r.when(minute), body)
	by := "github"
	if host == "gitlab.com" {
		text = fmt.Sprintf(`{"project":{"id":%d,"path_with_namespace":%q,"web_url":%q},%s}`, number, path, "https://"+string(name), body)
		by = "gitlab"
	}
	r.later("https://"+string(name), digests.Of([]byte(text)), string(name), schemas.Envelope{
		Type: "com." + by + "." + kind, Data: []byte(text), DataContentType: schemas.ContentTypeJSON, AuthType: schemas.AuthSystem, AuthID: by,
	})
}

func (r *renaming) renamed(number int, from, to record.Repository, minute int) {
	r.seen[from] = true
	was, now := strings.Split(string(from), "/"), strings.Split(string(to), "/")
	action, name, owner := "renamed", "", ""
	if was[2] != now[2] {
		name = fmt.Sprintf(`"repository":{"name":{"from":%q}}`, was[2])
	}
	if was[1] != now[1] {
		action, owner = "transferred", fmt.Sprintf(`"owner":{"from":{"organization":{"login":%q,"id":9}}}`, was[1])
		if name != "" {
			owner += ","
		}
	}
	r.webhookAt("repository."+action, number, to, minute, fmt.Sprintf(`"action":%q,"changes":{%s%s}`, action, owner, name))
}

const (
	headSHA  = "1111111111111111111111111111111111111111"
	mergeSHA = "2222222222222222222222222222222222222222"
)

func (r *renaming) when(minute int) string {
	return r.at.Add(-4 * time.Hour).Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
}

// pull returns pull request 7 as a webhook shows it.
func (r *renaming) pull(minute int, merged bool) string {
	more := `"state":"open","merged":false`
	if merged {
		more = fmt.Sprintf(`"state":"closed","merged":true,"merged_at":%q,"merge_commit_sha":%q,"merged_by":{"id":2,"login":"mira","type":"User"}`, r.when(minute), mergeSHA)
	}
	return fmt.Sprintf(`"pull_request":{"number":7,"title":"t","user":{"id":1,"login":"coder[bot]","type":"Bot"},"created_at":%q,"updated_at":%q,"head":{"sha":%q,"ref":"b"},"base":{"ref":"main"},%s}`,
		r.when(0), r.when(minute), headSHA, more)
}

func (r *renaming) opened(number int, name record.Repository, minute int) {
	r.webhook("pull_request.opened", number, name, `"action":"opened",`+strings.Replace(r.pull(minute, false), r.when(0), r.when(minute), 1))
}

func (r *renaming) merged(number int, name record.Repository, minute int) {
	r.webhook("pull_request.closed", number, name, `"action":"closed",`+r.pull(minute, true))
}

func (r *renaming) approved(number int, name record.Repository, minute int) {
	r.webhook("pull_request_review.submitted", number, name, fmt.Sprintf(
		`"action":"submitted","review":{"id":%d,"state":"approved","user":{"id":2,"login":"mira","type":"User"},"commit_id":%q,"submitted_at":%q},%s`,
		100+minute, headSHA, r.when(minute), r.pull(minute, false)))
}

// agent returns what an agent reports of the change under a name.
func (r *renaming) agent(id string, name record.Repository, fact record.Fact) {
	data, err := schemas.Encode(fact)
	if err != nil {
		r.t.Fatal(err)
	}
	r.later("/coder", id, string(name), schemas.Envelope{
		Type: record.TypeOf(fact), Time: r.at.Add(-3 * time.Hour), Subject: string(name.Change("/pull/7")), Data: data, AuthType: schemas.AuthService, AuthID: "coder",
	})
}

// ci returns a result that names a commit.
func (r *renaming) ci(id string, name record.Repository) {
	data, err := schemas.Encode(&record.Validation{Name: "unit " + id, CommitSHA: headSHA, Conclusion: "success", RunID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	r.later("/ci", id, string(name), schemas.Envelope{Type: record.TypeValidationCompleted, Time: r.at.Add(-3 * time.Hour), Data: data, AuthType: schemas.AuthSystem, AuthID: "jenkins"})
}

// arrive delivers all queued events, in any order and some of them twice.
func (r *renaming) arrive(shuffled bool) {
	if shuffled {
		r.rnd.Shuffle(len(r.queued), func(i, j int) { r.queued[i], r.queued[j] = r.queued[j], r.queued[i] })
	}
	for _, put := range r.queued {
		put()
		if r.rnd.IntN(4) == 0 {
			put()
		}
		if !shuffled || r.rnd.IntN(2) == 0 {
			r.run()
		}
	}
	r.queued = nil
	r.run()
	for _, l := range r.letters {
		r.t.Errorf("dead letter: %s", stream.Header(l, stream.HeaderDetail))
	}
}

// key returns the key of the repository with an identity.
func (r *renaming) key(id string) record.Repository {
	r.t.Helper()
	n, err := r.e.state.name(nameAt{r.e.partitions.Of(identityHome(id)), identityHome(id)})
	if err != nil {
		r.t.Fatal(err)
	}
	return n.Key
}

// whole returns the record that all events about a key make together, including those that were
// reported under other names.
func (r *renaming) whole(key record.Repository, of func(record.Event) bool) *record.Record {
	var events []record.Event
	for _, e := range r.events {
		if of(e) {
			events = append(events, e.In(key))
		}
	}
	return Fold(key.Change("/pull/7"), events, r.e.conf.Policy, r.e.conf.Controls)
}

// holds compares the record of a key with the expected one, both in the state and as it was sent.
func (r *renaming) holds(t *testing.T, what string, want *record.Record) {
	t.Helper()
	id := want.Trail.Change.ID
	digest := Digest(want)
	if got := r.record(id); Digest(got) != digest {
		t.Fatalf("%s: the state differs (-all events +state):\n%s", what, cmp.Diff(want.Trail, got.Trail))
	}
	sent := r.records[id]
	if sent == nil || sent.Trail.EvidenceDigest != digest {
		t.Fatalf("%s: what was sent differs: %+v", what, sent)
	}
	for other, doc := range r.records {
		if other != id && doc.Trail.Change.PartOf != id {
			t.Fatalf("%s: there is another record, %s, part of %q", what, other, doc.Trail.Change.PartOf)
		}
	}
}

var (
	payNames  = []record.Repository{"github.com/acme/pay", "github.com/acme/payments", "github.com/core/payments", "github.com/core/pay"}
	anyEvent  = func(record.Event) bool { return true }
	payID     = "github.com#4711"
	otherID   = "github.com#4712"
	payNumber = 4711
)

// TestARenamedRepositoryHasOneRecord reports one pull request while its repository is renamed,
// transferred and renamed again: in any order, with repeats, aborts and restarts, and with some
// of the events missing that report the renaming.
func TestARenamedRepositoryHasOneRecord(t *testing.T) {
	for name, lossy := range map[string]bool{"": false, "over a broker that loses what was not synced": true} {
		t.Run(name, func(t *testing.T) {
			s := openTestStore(t)
			seeds := uint64(60)
			if testing.Short() {
				seeds = 30
			}
			for seed := range seeds {
				r := newRenaming(t, s, seed, lossy)
				oneRenaming(r, r.rnd)
				r.arrive(seed%3 != 0)
				key := r.key(payID)
				if !slices.Contains(payNames, key) {
					t.Fatalf("seed %d: the key is %q", seed, key)
				}
				r.holds(t, fmt.Sprintf("seed %d", seed), r.whole(key, anyEvent))
			}
		})
	}
}

func oneRenaming(r *renaming, rnd *rand.Rand) {
	names := payNames[:2+rnd.IntN(3)]
	if rnd.IntN(3) == 0 {
		names = append(slices.Clone(names), names[0]) // and back again
	}
	at := func(minute int) record.Repository { return names[min(minute*len(names)/100, len(names)-1)] }
	r.opened(payNumber, at(0), 0)
	for minute := 10; minute < 90; minute += 10 + rnd.IntN(20) {
		r.approved(payNumber, at(minute), minute)
	}
	r.merged(payNumber, at(99), 99)
	for i := range len(names) - 1 {
		if rnd.IntN(3) > 0 {
			r.renamed(payNumber, names[i], names[i+1], 100*(i+1)/len(names))
		}
	}
	var known []record.Repository // the code host uses these names
	for _, n := range names {
		if r.seen[n] {
			known = append(known, n)
		}
	}
	some := func() record.Repository { return known[rnd.IntN(len(known))] }
	r.agent("decision", some(), decision("session-1"))
	for i := range rnd.IntN(4) {
		r.agent(fmt.Sprint("action ", i), some(), &record.Action{Agent: record.Agent{ID: "coder", Run: "session-1"}, Tool: fmt.Sprint("tool ", i), CommitSHA: headSHA, Outcome: "success"})
	}
	for i := range rnd.IntN(3) {
		r.ci(fmt.Sprint(i), some())
	}
}
