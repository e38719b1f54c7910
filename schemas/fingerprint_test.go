package schemas_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// fingerprint is what Fingerprint must compute, using the general encoder: digests are stored, and
// compared with those of other versions.
func fingerprint(e *record.Event, stated time.Time) error {
	data, err := schemas.Encode(e.Fact)
	if err != nil {
		return err
	}
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, stated.UnixNano())
	h.Write([]byte(e.Type + "\x00" + string(e.Change) + "\x00"))
	if kind := map[string]string{"agent:a": "signed", "platform:ci": "observed", "person:ana": "human"}[e.Sender]; kind != "" {
		h.Write([]byte(kind + "\x00"))
	}
	if e.Type == record.TypeDecisionRecorded && e.Trace != "" {
		h.Write([]byte(e.Trace + "\x00"))
	}
	h.Write(data)
	e.Stored, e.Digest = data, hex.EncodeToString(h.Sum(nil)[:16])
	return nil
}

func fingerprintBothWays(t *testing.T, e record.Event, stated time.Time) {
	t.Helper()
	want, got := e, e
	generalErr, err := fingerprint(&want, stated), schemas.Fingerprint(&got, stated)
	if (generalErr == nil) != (err == nil) {
		t.Fatalf("general: %v, quick: %v\n%+v", generalErr, err, e.Fact)
	}
	if diff := cmp.Diff(string(want.Stored), string(got.Stored)); diff != "" {
		t.Fatalf("stored otherwise (-general +quick):\n%s", diff)
	}
	if err == nil && want.Digest != got.Digest {
		t.Fatalf("digest %s, want %s", got.Digest, want.Digest)
	}
}

func TestFingerprintsStayWhatTheyWere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	at := time.Date(2026, 11, 12, 3, 0, 0, 5, time.UTC)
	for _, typ := range record.Types() {
		for range 1000 {
			env := schemas.Envelope{ID: "1", Source: "/s", Type: typ, Subject: "acme/payments#1", Time: at, TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Data: mutant(t, rnd, facts[typ])}
			e, err := schemas.Decode(env, nil, at)
			if err != nil {
				continue
			}
			fingerprintBothWays(t, e, at)
			for _, sender := range []string{"agent:a", "platform:ci", "person:ana"} {
				e.Sender, e.Witness = sender, record.Claimed
				fingerprintBothWays(t, e, time.Time{})
			}
		}
		full := record.Event{Type: typ, Fact: record.NewFact(typ)}
		fingerprintBothWays(t, full, at)
		fill(reflect.ValueOf(full.Fact).Elem())
		fingerprintBothWays(t, full, at)
	}
}

func TestFingerprintOfWhatNoEventHolds(t *testing.T) {
	far := time.FixedZone("far", 25*3600)
	for name, fact := range map[string]record.Fact{
		"not UTF-8":             &record.Activity{Summary: "\xff\u2028"},
		"a zone there is not":   &record.Review{SubmittedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, far)},
		"a year too far":        &record.Review{SubmittedAt: time.Date(12026, 1, 2, 3, 4, 5, 0, time.UTC)},
		"a zone with seconds":   &record.Review{SubmittedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3601))},
		"a zero time elsewhere": &record.Review{SubmittedAt: time.Time{}.In(far)},
		"no JSON":               &record.Action{Arguments: record.RawJSON(`{"a":`)},
		"white space":           &record.Action{Arguments: record.RawJSON(" { \"a\" : \"\\u00fc \\/ \\n\" } ")},
		"a name twice":          &record.Action{Arguments: record.RawJSON(`{"a":1,"a":2}`)},
		"two values":            &record.Action{Arguments: record.RawJSON(`1 2`)},
		"free, not UTF-8":       &record.Action{Arguments: record.RawJSON("\"\xff\"")},
		"large numbers":         &record.Action{Arguments: record.RawJSON(`[1e400,-0,1.50,123456789012345678901234567890]`), DurationMS: 1 << 62},
	} {
		t.Run(name, func(t *testing.T) {
			fingerprintBothWays(t, record.Event{Type: record.TypeOf(fact), Fact: fact}, time.Time{})
		})
	}
}

func BenchmarkFingerprint(b *testing.B) {
	at := time.Now()
	for _, typ := range record.Types() {
		e, err := schemas.Decode(schemas.Envelope{ID: "1", Source: "/s", Type: typ, Subject: "acme/payments#1", Time: at, Data: []byte(facts[typ])}, nil, at)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := schemas.Fingerprint(&e, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
