//go:build servers

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// An outcome is what lies in the topics at the end, beside what the events say that must
// lie there.
type outcome struct {
	p             *pipeline
	f             leftBehind
	began         time.Time
	events        []*stream.Record // since the upgrade
	enriched      []*stream.Record
	records       []*stream.Record // since the upgrade
	dead          []*stream.Record
	asRead, asNow []record.Event // in their partitions
}

func newOutcome(t *testing.T, p *pipeline, f leftBehind, began time.Time) *outcome {
	t.Helper()
	o := &outcome{p: p, f: f, began: began}
	o.events = p.scan(t, p.topics.Events(), perPartition(f.Read))
	o.enriched = p.scan(t, p.topics.Enriched(), nil)
	o.records = p.scan(t, p.topics.Records(), perPartition(f.Records))
	o.dead = p.scan(t, p.topics.DLQ(), nil)
	for _, r := range f.Read { // the former version did not ask who may say what
		env, err := schemas.Open(stream.Message(r))
		if err != nil {
			continue
		}
		if e, err := (ingest.Reader{Keys: signing.Of([]byte(formerKey))}).Read(t.Context(), env, r.Key, r.Timestamp); err == nil && joined(r, e.Event) {
			e.Sender, e.Arrived = "", time.Time{} // it kept neither
			o.asRead = append(o.asRead, e.Event)
		}
	}
	for _, r := range o.events {
		if e, err := enricher.DecodeSigned(r, signing.Of([]byte(formerKey))); err == nil && joined(r, e) {
			o.asNow = append(o.asNow, e)
		}
	}
	t.Logf("%d events before, %d since; %d documents, %d revisions, %d dead letters", len(o.asRead), len(o.asNow), len(o.enriched), len(o.records), len(o.dead))
	return o
}

// joined reports whether an event lies where it is joined, and not on its way there.
func joined(r *stream.Record, e record.Event) bool {
	home := stream.NewPartitioner(formerPartitions).Of(string(e.Repository)) == r.Partition
	return e.Repository != "" && (home || stream.Header(r, stream.HeaderRerouted) != nil)
}

// account is the identity of an event among those of its repository or, where it names one,
// its change. The former version knew no senders, and in its events no two share a source and id.
func account(e record.Event) string {
	e.Sender = ""
	return string(e.Repository) + " " + string(e.Change) + " " + e.ReportKey()
}

// documents checks that each event that is new became a document once, and no other.
func (o *outcome) documents(t *testing.T) {
	t.Helper()
	want, known := make(map[string]int), make(map[string]bool)
	for i, e := range slices.Concat(o.asRead, o.asNow) {
		if !known[account(e)] && i >= len(o.asRead) {
			want[schemas.DocumentID(e)+" "+e.Digest]++
		}
		known[account(e)] = true
	}
	got := make(map[string]int)
	for _, r := range o.enriched {
		got[string(stream.Header(r, stream.HeaderID))+" "+readSent(t, r).Event.Digest]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// revisions checks that each record goes on from the revision that was sent before, in the
// same index; records of new changes lie in that of this month, or of the month of an event that the
// former version read.
func (o *outcome) revisions(t *testing.T) {
	t.Helper()
	revision, index := make(map[string]int64), make(map[string]string)
	for _, r := range slices.Concat(o.f.Records, o.records) {
		id, now, at := string(r.Key), readSent(t, r).Revision, string(stream.Header(r, stream.HeaderIndex))
		if now <= revision[id] {
			t.Errorf("%s: revision %d after %d", id, now, revision[id])
		}
		if index[id] != "" && at != index[id] {
			t.Errorf("%s moved from %s to %s", id, index[id], at)
		}
		revision[id] = now
		if index[id] == "" && slices.Contains(o.records, r) {
			months := []string{schemas.RecordIndex("default", o.began), schemas.RecordIndex("default", time.Now())}
			for _, e := range o.f.Read { // the first event of a record may be one that the former version read
				months = append(months, schemas.RecordIndex("default", e.Timestamp))
			}
			if !slices.Contains(months, at) {
				t.Errorf("%s is new and lies in %s, not in one of %v", id, at, slices.Compact(months))
			}
		}
		index[id] = at
	}
}

// folds checks that the last record of each change that was sent since is the fold of all
// its events, and that one was sent of each change that a new event names. Others stay as
// the former version made them.
func (o *outcome) folds(t *testing.T) {
	t.Helper()
	last := make(map[record.ChangeID]string)
	for _, r := range o.records {
		last[record.ChangeID(r.Key)] = readSent(t, r).Digest
	}
	byRepo := make(map[record.Repository][]record.Event)
	named, known := make(map[record.ChangeID]bool), make(map[string]bool)
	first, altered := o.identities()
	read := make(map[string]bool)
	for i, e := range slices.Concat(o.asRead, o.asNow) {
		switch {
		case i < len(o.asRead) && first[account(e)] != e.Digest: // the former version did not keep it
			continue
		case i >= len(o.asRead) && known[account(e)]: // a repeat, or one that is refused
			continue
		case i >= len(o.asRead):
			named[e.Change] = e.Change != ""
		}
		e.Altered = altered[account(e)]
		if _, action := e.Fact.(*record.Action); action {
			name := fmt.Sprint(e.Repository, " ", e.Change, " ", e.Source, " ", e.ID)
			if read[name] = read[name] || i < len(o.asRead); read[name] { // an account of what the former version read
				e.Sender = ""
			}
		}
		known[account(e)] = true
		byRepo[e.Repository] = append(byRepo[e.Repository], e)
	}
	for id, yes := range named {
		if _, sent := last[id]; yes && !sent {
			last[id] = ""
		}
	}
	for id, digest := range last {
		want := enricher.Fold(id, byRepo[id.Repository()], o.f.Policy, o.f.Controls)
		if digest == "" && (want.Trail.Change.PartOf != "" || o.sentBefore(t, id) == enricher.Digest(want)) {
			continue // the commit of a merge, which nobody saw as a change; or nothing that is new
		}
		if fold := enricher.Digest(want); digest != fold {
			t.Errorf("%s: the last record is %q, the fold of its events %s", id, digest, fold)
		}
	}
	t.Logf("%d changes were touched", len(last))
}

// sentBefore returns the digest that the former version sent last of a change.
func (o *outcome) sentBefore(t *testing.T, id record.ChangeID) (digest string) {
	t.Helper()
	for _, r := range o.f.Records {
		if string(r.Key) == string(id) {
			digest = readSent(t, r).Digest
		}
	}
	return digest
}

// letters checks that each event that is refused is a dead letter, once, for its reason, and
// that only others of one identity are beside them.
func (o *outcome) letters(t *testing.T) {
	t.Helper()
	want := make(map[string]string)
	for _, r := range o.events {
		_, err := enricher.DecodeSigned(r, signing.Of([]byte(formerKey)))
		if refusal := schemas.AsRefusal(err); refusal != nil {
			want[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = string(refusal.Reason)
		}
	}
	conflicts := o.conflicts(t)
	got := make(map[string]string)
	for _, r := range o.dead {
		at := fmt.Sprintf("%s/%s", stream.Header(r, stream.HeaderPartition), stream.Header(r, stream.HeaderOffset))
		if got[at] != "" {
			t.Errorf("two dead letters of %s", at)
		}
		got[at] = string(stream.Header(r, stream.HeaderReason))
	}
	for at := range conflicts {
		want[at] = string(schemas.DuplicateID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// identities returns the digest of the event that stands of each identity, and for which of
// them another one came since. Of those of one identity that the former version read it kept
// the one with the smaller digest.
func (o *outcome) identities() (first map[string]string, altered map[string]bool) {
	first, altered = make(map[string]string), make(map[string]bool)
	for _, e := range o.asRead {
		if digest, ok := first[account(e)]; !ok || e.Digest < digest {
			first[account(e)] = e.Digest
		}
	}
	for _, e := range o.asNow {
		if digest, ok := first[account(e)]; !ok {
			first[account(e)] = e.Digest
		} else if _, action := e.Fact.(*record.Action); digest != e.Digest && !action {
			altered[account(e)] = true
		}
	}
	return first, altered
}

// conflicts returns where events lie whose identity is that of another one.
func (o *outcome) conflicts(t *testing.T) map[string]bool {
	t.Helper()
	first := make(map[string]string)
	for _, e := range o.asRead { // of which the former version kept the one with the smaller digest
		if digest, ok := first[account(e)]; !ok || e.Digest < digest {
			first[account(e)] = e.Digest
		}
	}
	out := make(map[string]bool)
	for _, r := range o.events {
		e, err := enricher.DecodeSigned(r, signing.Of([]byte(formerKey)))
		if err != nil || !joined(r, e) {
			continue
		}
		if digest, ok := first[account(e)]; ok && digest != e.Digest {
			out[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = true
		} else {
			first[account(e)] = e.Digest
		}
	}
	return out
}
