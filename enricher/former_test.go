package enricher

import (
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/former"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestUpgradeInPlace starts from the state that a former enricher left (testdata/former). It
// reads what that enricher had not read yet, and then once more everything that it had read. Each
// record must be the fold of all events, as the next revision in the same index, and nothing may
// be sent for an event that was read before.
func TestUpgradeInPlace(t *testing.T) {
	f := readFormer(t)
	u := &upgrade{t: t, e: f.enricher(t), sent: f.records, next: f.Unread, enriched: make(map[string]bool)}
	u.run()
	before, all := documentsOf(t, f.Read, nil), documentsOf(t, f.Read, u.read)
	for document := range all {
		if u.enriched[document] == before[document] {
			t.Errorf("document %s: read before: %t; enriched: %t", document, before[document], u.enriched[document])
		}
	}
	u.compare(known(asFormer(t, f.Read), asNow(t, u.read)))
	u.sent, u.next = make(map[record.ChangeID]formerRecord), f.Read
	clear(u.enriched)
	u.run()
	for id := range u.sent { // from now on records show that two events have one identity
		if facts := factsOf(t, u.e.state, u.e.partitions.Of(string(id.Repository())), id); len(facts.Altered()) == 0 {
			t.Errorf("%s: a record is sent for events that were read before", id)
		}
	}
	if len(u.enriched) > 0 {
		t.Errorf("of events that were read before %d were enriched again", len(u.enriched))
	}
}

// TestUpgradeIsStoppedAnywhere stops an upgrade before each of its transactions and begins again
// from the changelog, which must have the same content at the end.
func TestUpgradeIsStoppedAnywhere(t *testing.T) {
	f := readFormer(t)
	want := make(map[string]string)
	for _, r := range f.State {
		if r.Partition != 1 {
			continue
		}
		want[string(r.Key)] = string(r.Value)
	}
	transactions := f.upgrade(t, 1, maps.Clone(want), nil, -1)
	t.Logf("%d transactions", transactions)
	whole := maps.Clone(want)
	f.upgrade(t, 1, whole, nil, -1)
	errStopped := errors.New("stopped")
	for at := range transactions {
		got := maps.Clone(want)
		f.upgrade(t, 1, got, errStopped, at)
		f.upgrade(t, 1, got, nil, -1)
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Fatalf("stopped before transaction %d of %d (-want +got):\n%s", at, transactions, diff)
		}
	}
}

// upgrade upgrades a partition from a changelog, and writes to it until it is stopped. It returns
// how many transactions it wrote.
func (f *leftBehind) upgrade(t *testing.T, p int32, changelog map[string]string, stopped error, at int) (transactions int) {
	t.Helper()
	s := openTestStore(t)
	for k, v := range changelog {
		if err := s.write([]entry{{ownKey(p, k), []byte(v)}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	b := &rebuild{Config: Config{Log: slog.New(slog.DiscardHandler)}, write: func(recs []*stream.Record) error {
		if transactions == at {
			return stopped
		}
		transactions++
		for _, r := range recs {
			if r.Value == nil {
				delete(changelog, string(r.Key))
			} else {
				changelog[string(r.Key)] = string(r.Value)
			}
		}
		return nil
	}}
	if err := b.upgrade(p, s); !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	return transactions
}

// An upgrade is an enricher that works on what a former one left.
type upgrade struct {
	t        *testing.T
	e        *Enricher
	next     []*stream.Record
	read     []*stream.Record
	sent     map[record.ChangeID]formerRecord // the last record of each change
	enriched map[string]bool                  // with the keys of documentsOf
}

// run reads the messages that exist, and those that the enricher itself adds.
func (u *upgrade) run() {
	u.t.Helper()
	for len(u.next) > 0 {
		batch := u.next[:min(len(u.next), 100)]
		u.next = u.next[len(batch):]
		out, err := u.e.Apply(u.t.Context(), batch)
		if err != nil {
			u.t.Fatal(err)
		}
		if err := u.e.Committed(nil); err != nil {
			u.t.Fatal(err)
		}
		u.read = append(u.read, batch...)
		for _, r := range out {
			u.handle(r, batch[0].Timestamp)
		}
	}
}

func (u *upgrade) handle(r *stream.Record, at time.Time) {
	u.t.Helper()
	switch r.Topic {
	case "b.events":
		r.Timestamp = at
		u.next = append(slices.Clone(u.next), r)
	case "b.enriched":
		document := string(stream.Header(r, stream.HeaderID)) + " " + readSent(u.t, r).Event.Digest
		if u.enriched[document] {
			u.t.Errorf("document %s is sent twice: %s", document, r.Value)
		}
		u.enriched[document] = true
	case "b.records":
		id := record.ChangeID(r.Key)
		before, now := u.sent[id], newFormerRecord(u.t, r)
		if now.Revision <= before.Revision {
			u.t.Errorf("%s: revision %d after %d", id, now.Revision, before.Revision)
		}
		if before.index != "" && now.index != before.index {
			u.t.Errorf("%s moved from %s to %s", id, before.index, now.index)
		}
		u.sent[id] = now
	}
}

// compare compares the state of each change with the fold of events.
func (u *upgrade) compare(events []record.Event) {
	u.t.Helper()
	byRepo := make(map[record.Repository][]record.Event)
	for _, e := range events {
		byRepo[e.Repository] = append(byRepo[e.Repository], e)
	}
	for repo, events := range byRepo {
		if repo == "" {
			continue
		}
		for _, id := range changesOf(events) {
			want := Fold(id, events, u.e.conf.Policy, u.e.conf.Controls)
			if _, sent := u.sent[id]; !sent && want.Trail.Change.PartOf == "" {
				u.t.Errorf("%s: no record was sent", id)
			}
			facts := factsOf(u.t, u.e.state, u.e.partitions.Of(string(repo)), id)
			if got := fold(id, facts, *u.e.rules.Load(), time.Now()); Digest(got) != Digest(want) {
				u.t.Errorf("%s is not the fold of its events (-want +got):\n%s", id, cmp.Diff(want, got, cmpopts.IgnoreUnexported(record.Judged{})))
			}
		}
	}
	u.t.Logf("%d events, %d records", len(events), len(u.sent))
}

// documentsOf returns the documents of events, each by its id and the digest of its event:
// several reports of one call share an id. Of two events with one identity only the first has a
// document.
func documentsOf(t *testing.T, former, now []*stream.Record) map[string]bool {
	t.Helper()
	accounts, documents := make(map[string]bool), make(map[string]bool)
	before, later := asFormer(t, former), asNow(t, now)
	sent := append(slices.Clone(before), later...)
	for i, e := range known(before, slices.Clone(later)) {
		if e.Repository != "" && !accounts[e.ReportKey()] {
			accounts[e.ReportKey()] = true
			documents[schemas.DocumentID(sent[i])+" "+e.Digest] = true
		}
	}
	return documents
}

// known returns the events of a former version and those that came later. The former version
// identified events by source and id, whoever sent them.
func known(former, later []record.Event) []record.Event {
	before := make(map[[3]string]bool)
	for _, e := range former {
		before[[3]string{string(e.Repository), e.Source, e.ID}] = true
	}
	for i := range later {
		if before[[3]string{string(later[i].Repository), later[i].Source, later[i].ID}] {
			later[i].Sender = ""
		}
	}
	return append(former, later...)
}

// asNow reads events as an enricher does.
func asNow(t *testing.T, events []*stream.Record) (out []record.Event) {
	t.Helper()
	for _, r := range events {
		d, err := decode(t.Context(), r, ingest.Reader{Keys: millKey}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.refusal == nil {
			out = append(out, d.event)
		}
	}
	return out
}

// asFormer reads events as the former version did, which did not check who may send them.
func asFormer(t *testing.T, events []*stream.Record) (out []record.Event) {
	t.Helper()
	for _, r := range events {
		env, err := schemas.Open(stream.Message(r))
		if err != nil {
			continue
		}
		if e, err := (ingest.Reader{Keys: millKey}).Read(t.Context(), env, r.Key, r.Timestamp); err == nil {
			e.Sender, e.Arrived = "", time.Time{} // it kept no sender, and of one identity the earliest statement
			out = append(out, e.Event)
		}
	}
	return out
}

// A leftBehind is the data that a former enricher left.
type leftBehind struct {
	*former.Left
	records map[record.ChangeID]formerRecord
}

// A formerRecord is the record that was sent for a change.
type formerRecord struct {
	Revision int64
	Digest   string
	index    string
}

func newFormerRecord(t *testing.T, r *stream.Record) formerRecord {
	t.Helper()
	sent := readSent(t, r)
	return formerRecord{Revision: sent.Revision, Digest: sent.Digest, index: string(stream.Header(r, stream.HeaderIndex))}
}

// A sentDocument is the part of a document that a test reads, including changetrail.*.
type sentDocument struct {
	Revision int64  `json:"revision"`
	Digest   string `json:"evidence_digest"`
	Event    struct {
		Digest string `json:"digest"`
	} `json:"event"`
}

func readSent(t *testing.T, r *stream.Record) sentDocument {
	t.Helper()
	var doc struct {
		Trail sentDocument `json:"changetrail"`
	}
	if err := json.Unmarshal(r.Value, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Trail
}

// enricher returns an enricher that has restored the state.
func (f *leftBehind) enricher(t *testing.T) *Enricher {
	t.Helper()
	e, err := newEnricher(Config{
		Topics: stream.Topics{Prefix: "b"}, Namespace: "default", Policy: f.Policy, Controls: f.Controls, Keys: millKey,
		EvidenceAge: 180 * 24 * time.Hour, Log: slog.New(slog.DiscardHandler),
	}, openTestStore(t), millPartitions)
	if err != nil {
		t.Fatal(err)
	}
	last := f.Unread[len(f.Unread)-1].Timestamp
	e.now = func() time.Time { return last }
	for p := range int32(millPartitions) {
		if _, err := e.Position(p, "former"); err != nil {
			t.Fatal(err)
		}
		mine := slices.DeleteFunc(slices.Clone(f.State), func(r *stream.Record) bool { return r.Partition != p })
		if err := e.Restore(p, mine, int64(len(mine))); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(t.Context(), []*stream.Record{{Partition: p}}); !errors.Is(err, errFormer) {
			t.Fatalf("partition %d is read before its state is upgraded: %v", p, err)
		}
		if err := (&rebuild{Config: e.conf, write: func([]*stream.Record) error { return nil }}).upgrade(p, e.store); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func readFormer(t *testing.T) *leftBehind {
	t.Helper()
	left, err := former.Read(filepath.Join("testdata", "former"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Concat(left.Read, left.Unread) {
		r.Topic = "b.events"
	}
	f := &leftBehind{left, make(map[record.ChangeID]formerRecord)}
	for _, r := range left.Records {
		f.records[record.ChangeID(r.Key)] = newFormerRecord(t, r)
	}
	return f
}
