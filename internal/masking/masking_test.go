package masking

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// spilled is a secret of a kind that no rule recognized when it was stored; lately is the new rule.
const spilled = "zebra-4829-striped"

type lately struct{}

var zebra = regexp.MustCompile(`zebra-\d+-striped`)

func (lately) mask(text string) (string, []string) {
	out := zebra.ReplaceAllString(text, "[redacted:zebra:0011223344556677]")
	if out == text {
		return text, nil
	}
	return out, []string{"zebra"}
}

func (l lately) Text(_ context.Context, text string) (string, []string, error) {
	out, rules := l.mask(text)
	return out, rules, nil
}

func (l lately) JSON(_ context.Context, data []byte, _ func([]string) bool) ([]byte, []string, error) {
	out, rules := l.mask(string(data))
	return []byte(out), rules, nil
}

func (l lately) File(ctx context.Context, file []byte) ([]byte, []string, error) {
	return l.JSON(ctx, file, nil)
}

func (lately) Attribute(_ context.Context, _, value string) (string, []string, error) {
	out := zebra.ReplaceAllString(value, "redacted.zebra.0011223344556677")
	if out == value {
		return value, nil, nil
	}
	return out, []string{"zebra"}, nil
}

var (
	key = signing.Of([]byte("a key of thirty-two characters.."))
	at  = time.Date(2026, 11, 12, 3, 0, 0, 0, time.UTC)
	now = time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)
)

// signed is an event as a gateway accepted it from an agent.
func signed(t *testing.T, env schemas.Envelope) *stream.Record {
	t.Helper()
	env.SpecVersion, env.Source, env.Time, env.ArrivedAt = "1.0", "/agents/bot", at, at.Format(time.RFC3339)
	env.PartitionKey, env.DataContentType = "github.com/acme/payments", schemas.ContentTypeJSON
	env.AuthType, env.AuthID = schemas.AuthService, "bot"
	env.AuthMAC = schemas.Sign(key, env)
	r := &stream.Record{Topic: "changetrail.events", Key: []byte(env.PartitionKey), Value: env.Data, Timestamp: at.Add(time.Second)}
	for name, value := range env.Attributes {
		stream.AddHeader(r, name, []byte(value))
	}
	return r
}

const decided = `{"agent":{"id":"bot"},"trigger":{"kind":"scan","digest":"%s"},"options":[{"id":"a","title":"%s","outcome":"chosen","reason":"r"}]}`

func masker(store blobs.Getter) (*Masker, *[]Finding) {
	found := new([]Finding)
	return &Masker{Rules: lately{}, Blobs: store, Keys: key, By: "ops@host", At: now, Found: func(f Finding) { *found = append(*found, f) }}, found
}

// read reads a copy as the enricher does.
func read(t *testing.T, r *stream.Record, store blobs.Getter) ingest.Event {
	t.Helper()
	env, err := schemas.Open(stream.Message(r))
	if err != nil {
		t.Fatal(err)
	}
	e, err := ingest.Reader{Keys: key, Blobs: store}.Read(t.Context(), env, r.Key, r.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestAMaskedEventIsTheSameEvent: same sender, same time, and it says what was done.
func TestAMaskedEventIsTheSameEvent(t *testing.T) {
	digest := digests.Of([]byte("x"))
	r := signed(t, schemas.Envelope{ID: "1", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: fmt.Appendf(nil, decided, digest, "with "+spilled)})
	m, found := masker(nil)
	copied, err := m.Event(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(copied.Headers) + string(copied.Value); strings.Contains(text, spilled) || !strings.Contains(text, "[redacted:zebra") {
		t.Errorf("the copy is %s", text)
	}
	before, after := read(t, r, nil), read(t, copied, nil)
	if after.Sender != "agent:bot" || after.Witness != record.Signed || !after.Arrived.Equal(before.Arrived) || after.ID != before.ID || before.Masked != "" {
		t.Errorf("before %+v, after %+v", before.Event, after.Event)
	}
	want := record.Masking{At: now, By: "ops@host", Rules: []string{"zebra"}, Was: digests.Of(r.Value), Is: digests.Of(copied.Value)}
	if diff := cmp.Diff(want, record.ParseMasking(after.Masked)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Finding{{Kind: "event", Where: "changetrail.events/0/0", Digest: want.Was, About: "acme/payments#1", Rules: []string{"zebra"}}}, *found); diff != "" {
		t.Error(diff)
	}
	if again, err := m.Event(t.Context(), copied); err != nil || again != copied || len(*found) != 1 {
		t.Errorf("a copy is copied: %v %v", *found, err)
	}

	// An event whose note was removed or forged is not believed.
	for i, h := range copied.Headers {
		if h.Key == "ce_maskedafter" {
			copied.Headers = slices.Delete(copied.Headers, i, i+1)
			break
		}
	}
	stream.AddHeader(r, "ce_maskedafter", []byte(want.String()))
	for name, forged := range map[string]*stream.Record{"without the note": copied, "with one": r} {
		if e := read(t, forged, nil); e.Sender != "" || e.Witness == record.Signed {
			t.Errorf("%s: it is of %q, %s", name, e.Sender, e.Witness)
		}
	}
}

func TestWhereASecretMayBe(t *testing.T) {
	const scan = `{"tool":{"name":"semgrep"},"report":{"encoding":%q,"content":%s}}`
	report, err := evidence.Pack([]byte(`{"results":[],"errors":[],"paths":{"scanned":["`+spilled+`"]},"version":"1.0"}`), "")
	if err != nil {
		t.Fatal(err)
	}
	clean := fmt.Sprintf(decided, digests.Of(nil), "clean")
	broken := &stream.Record{Value: []byte("no event: " + spilled)}
	stray := signed(t, schemas.Envelope{ID: "1", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: []byte(clean)})
	stream.AddHeader(stray, "ce_note", []byte(spilled))
	for name, r := range map[string]*stream.Record{
		"data":                                 signed(t, schemas.Envelope{ID: "1", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: fmt.Appendf(nil, decided, digests.Of(nil), spilled)}),
		"id":                                   signed(t, schemas.Envelope{ID: "1-" + spilled, Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: []byte(clean)}),
		"a report":                             signed(t, schemas.Envelope{ID: "1", Type: record.TypeScanCompleted, Subject: "acme/payments#1", Data: fmt.Appendf(nil, scan, report.Encoding, report.Content)}),
		"no event":                             broken,
		"what is unread":                       stray,
		"what is unread of a structured event": {Value: []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"` + record.TypeDecisionRecorded + `","subject":"acme/payments#1","note":{"a":"` + spilled + `"},"data":` + clean + `}`)},
	} {
		m, found := masker(nil)
		copied, err := m.Event(t.Context(), r)
		if err != nil || copied == r || len(*found) != 1 {
			t.Errorf("%s: %v %v", name, *found, err)
			continue
		}
		if text := fmt.Sprint(copied.Headers) + string(copied.Value); strings.Contains(text, spilled) || strings.Contains(fmt.Sprint(*found), spilled) {
			t.Errorf("%s: %s %v", name, text, *found)
		}
		if name == "a report" {
			e := read(t, copied, nil)
			if bytes.Contains(e.File, []byte(spilled)) || e.Fact.(*record.Scan).Report.Digest != digests.Of(e.File) {
				t.Errorf("%s: it carries %s", name, e.File)
			}
		}
	}
	m, found := masker(nil)
	r := signed(t, schemas.Envelope{ID: "1", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: []byte(clean)})
	if copied, err := m.Event(t.Context(), r); err != nil || copied != r || len(*found) > 0 {
		t.Errorf("without a secret: %v %v", *found, err)
	}
	m.Keys = signing.Keys{} // nobody's signature is known here
	if _, err := m.Event(t.Context(), signed(t, schemas.Envelope{ID: spilled, Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: []byte(clean)})); !errors.Is(err, ErrNoKey) || len(*found) != 1 || strings.Contains(err.Error(), spilled) {
		t.Errorf("without a key: %v %v", *found, err)
	}
}

// TestFilesAreCalledByTheirCopies: an event that named a file by its digest names its copy.
func TestFilesAreCalledByTheirCopies(t *testing.T) {
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	file := []byte("a report with " + spilled)
	put := func(content []byte) string {
		digest, err := store.Put(t.Context(), content)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	digest, other := put(file), put([]byte("another one"))
	data := fmt.Appendf(nil, decided, digest, "clean")
	ref := put(data)
	events := []*stream.Record{
		signed(t, schemas.Envelope{ID: "1", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: data}),
		signed(t, schemas.Envelope{ID: "2", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", DataRef: ref}),
		signed(t, schemas.Envelope{ID: "3", Type: record.TypeDecisionRecorded, Subject: "acme/payments#1", Data: fmt.Appendf(nil, decided, other, "clean")}),
	}
	m, found := masker(store)
	for _, r := range events { // as Look does
		if _, err := m.Event(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	to, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := store.Each(t.Context(), func(digest string) error {
		content, err := store.Get(t.Context(), digest)
		if err == nil {
			content, err = m.File(t.Context(), digest, content)
		}
		if err == nil {
			_, err = to.Put(t.Context(), content)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	masked, _ := lately{}.mask(string(file))
	for i, r := range events {
		copied, err := m.Event(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		e := read(t, copied, to)
		want := digests.Of([]byte(masked))
		if i == 2 {
			want = other
		}
		if got := e.Fact.(*record.Decision).Trigger.Digest; got != want || (e.Masked != "") != (i < 2) || e.Witness != record.Signed {
			t.Errorf("event %d names %s, want %s; %s %s", i+1, got, want, e.Masked, e.Witness)
		}
	}
	if _, err := to.Get(t.Context(), digest); !errors.Is(err, blobs.ErrNotFound) {
		t.Errorf("the file is there: %v", err)
	}
	if len(*found) != 1 || (*found)[0].Kind != "file" || (*found)[0].Digest != digest {
		t.Errorf("found are %v", *found)
	}
}
