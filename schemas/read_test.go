package schemas_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// readBothWays reads data with the reader built for typ, and checks that the general decoder
// accepts whatever the reader accepts, as the same fact.
func readBothWays(t *testing.T, typ string, data []byte) (taken, valid bool) {
	t.Helper()
	quick, general := record.NewFact(typ), record.NewFact(typ)
	err := schemas.JudgeFact(schemas.Envelope{Type: typ, Data: data}, general)
	if _, ok := schemas.ReadFact(data, quick); !ok {
		return false, err == nil
	}
	if err != nil {
		t.Fatalf("%s: taken, and wrong is %v\n%s", typ, err, data)
	}
	if diff := cmp.Diff(general, quick); diff != "" {
		t.Fatalf("%s: read otherwise (-general +quick) from\n%s\n%s", typ, data, diff)
	}
	return true, true
}

// TestReadersAcceptNothingElse changes valid data at random, in structure and byte by byte.
func TestReadersAcceptNothingElse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, typ := range record.Types() {
		taken, valid := 0, 0
		for range 3000 {
			took, fine := readBothWays(t, typ, mutant(t, rnd, facts[typ]))
			if took {
				taken++
			}
			if fine {
				valid++
			}
		}
		if valid < 100 || taken < valid*8/10 {
			t.Errorf("%s: %d taken of %d that are valid: most should be", typ, taken, valid)
		}
	}
}

// mutant returns text changed in up to two places.
func mutant(t *testing.T, rnd *rand.Rand, text string) []byte {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	for range rnd.IntN(3) {
		mutate(rnd, v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if rnd.IntN(3) == 0 {
		at := rnd.IntN(len(b))
		b = slices.Replace(b, at, at+rnd.IntN(2), oddities[rnd.IntN(len(oddities))]...)
	}
	return b
}

// oddities are texts that turn JSON into different or invalid JSON.
var oddities = func() (all [][]byte) {
	for _, s := range strings.Split(`"|\|\"|\n|\u00fc|\ud83d|\udE00|\uD83D\uDE00|\u12|\x|{|}|[|]|,|:|,,|null|true|0|00|-1|-|1.5|1e3|.|9999999999999999999|"a":1,|"a":null,| |é|`, "|") {
		all = append(all, []byte(s))
	}
	return append(all, []byte{0}, []byte{0x1f}, []byte{0x7f}, []byte{0x80}, []byte{0xff}, []byte("\n"), []byte("\t"), []byte("\v"), []byte("\ufeff"), []byte("\xed\xa0\x80"))
}()

func TestReadersAcceptWhatClientsWrite(t *testing.T) {
	for typ, data := range facts {
		if taken, _ := readBothWays(t, typ, []byte(data)); !taken {
			t.Errorf("%s: not taken: %s", typ, data)
		}
	}
	for _, data := range []string{
		` { "verdict" : "approved" , "reviewer" : "j\u00fcrgen \"j\"" } ` + "\n",
		`{"reviewer":"jürgen","verdict":"approved","submitted_at":"2026-11-12T03:00:00.123+05:30","extra":{"a":[1,-2.5e+10,null,true,false,"\u2028"]}}`,
	} {
		if taken, _ := readBothWays(t, record.TypeReviewSubmitted, []byte(data)); !taken {
			t.Errorf("not taken: %s", data)
		}
	}
}

const structured = `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"a/b#1","time":"2026-11-12T03:00:00Z","datacontenttype":"application/json","partitionkey":"p","extra":5,"data":{"a":[1,"ü"]}}`

func readEnvelopeBothWays(t *testing.T, text []byte) (taken bool) {
	t.Helper()
	var quick, general schemas.Envelope
	err := schemas.JudgeEnvelope(text, &general)
	if !schemas.ReadEnvelope(text, &quick) {
		return false
	}
	if diff := cmp.Diff(general, quick); diff != "" || err != nil {
		t.Fatalf("read otherwise (-general +quick) from\n%s\n%v %s", text, err, diff)
	}
	return true
}

func TestEnvelopesAreReadAlike(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	taken := 0
	for range 5000 {
		if readEnvelopeBothWays(t, mutant(t, rnd, structured)) {
			taken++
		}
	}
	if taken < 2000 {
		t.Errorf("%d of 5000 taken: most are valid", taken)
	}
}

// TestFactsOutliveTheirText: a fact does not depend on the text that it was read from.
func TestFactsOutliveTheirText(t *testing.T) {
	text := []byte(`{"summary":"s","commit_sha":"abcdef0"}`)
	e, err := schemas.Decode(schemas.Envelope{ID: "1", Source: "/s", Type: record.TypeEventNoted, Subject: "a/b#1", Data: text}, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if n := e.Fact.(*record.Activity); n.Summary != "s" || n.CommitSHA != "abcdef0" {
		t.Errorf("the fact changes with the text it was read from: %+v", n)
	}
}

func FuzzReadersAcceptNothingElse(f *testing.F) {
	types := record.Types()
	for i, typ := range types {
		f.Add(uint8(i), facts[typ])
	}
	for _, s := range slices.Sorted(maps.Values(facts)) {
		f.Add(uint8(0), s)
	}
	f.Fuzz(func(t *testing.T, typ uint8, data string) {
		readBothWays(t, types[int(typ)%len(types)], []byte(data))
	})
}

func FuzzEnvelopesAreReadAlike(f *testing.F) {
	f.Add([]byte(structured))
	f.Fuzz(func(t *testing.T, text []byte) { readEnvelopeBothWays(t, text) })
}

func BenchmarkRead(b *testing.B) {
	for _, typ := range record.Types() {
		env := schemas.Envelope{Type: typ, Data: []byte(facts[typ])}
		b.Run("quick/"+typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := schemas.ReadFact(env.Data, record.NewFact(typ)); !ok {
					b.Fatal("not taken")
				}
			}
		})
		b.Run("general/"+typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := schemas.JudgeFact(env, record.NewFact(typ)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
