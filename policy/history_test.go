package policy

import (
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func day(n int) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC)
}

func TestTheVersionInForce(t *testing.T) {
	type said struct {
		digest          string
		arrived, stated int // days; 0: not stated
	}
	for name, c := range map[string]struct {
		versions []said
		at       map[int]string // by day: the digest, with ? if that is not certain
	}{
		"the first one always was":                        {[]said{{"a", 10, 0}}, map[int]string{1: "a", 10: "a", 20: "a"}},
		"the first one since it says":                     {[]said{{"a", 10, 5}}, map[int]string{1: "a?", 5: "a", 20: "a"}},
		"the next one from its arrival on":                {[]said{{"a", 10, 0}, {"b", 12, 0}}, map[int]string{1: "a", 11: "a", 12: "b", 13: "b"}},
		"the next one since it says":                      {[]said{{"a", 10, 5}, {"b", 12, 8}}, map[int]string{4: "a?", 7: "a", 8: "b", 13: "b"}},
		"none says what was in force before the former":   {[]said{{"a", 10, 5}, {"b", 12, 3}}, map[int]string{4: "a?", 7: "a", 11: "a", 12: "b"}},
		"one that says when it will come into force":      {[]said{{"a", 10, 0}, {"b", 12, 20}}, map[int]string{13: "a", 19: "a", 20: "b"}},
		"one that was withdrawn before that":              {[]said{{"a", 10, 0}, {"b", 12, 20}, {"c", 14, 0}}, map[int]string{13: "a", 14: "c", 21: "c"}},
		"the same one again is no other":                  {[]said{{"a", 10, 0}, {"a", 12, 11}}, map[int]string{1: "a", 13: "a"}},
		"a former one again":                              {[]said{{"a", 10, 0}, {"b", 12, 0}, {"a", 14, 0}}, map[int]string{11: "a", 13: "b", 15: "a"}},
		"one that cannot be read is not held":             {[]said{{"a", 10, 0}, {"!", 12, 0}, {"c", 14, 0}}, map[int]string{11: "a", 13: "a?", 15: "c"}},
		"none":                                            {nil, map[int]string{1: "?"}},
		"of two in one moment the one that arrived later": {[]said{{"a", 10, 0}, {"b", 10, 0}}, map[int]string{10: "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var h History[string]
			for _, v := range c.versions {
				version := Version[string]{Digest: v.digest, Arrived: day(v.arrived), Content: v.digest}
				if v.digest == "!" {
					version.Err = errors.New("cannot be read")
				}
				h, _ = h.Add(version, day(v.stated))
			}
			for at, want := range c.at {
				v, held := h.At(day(at))
				got := v.Content
				if !held {
					got += "?"
				}
				if got != want {
					t.Errorf("day %d: %s, want %s", at, got, want)
				}
			}
		})
	}
}

func TestAHistoryThatGrowsLeavesTheFormerAsItWas(t *testing.T) {
	var h History[int]
	h, _ = h.Add(Version[int]{Digest: "sha256:aaaaaaaaaa", Content: 1}, time.Time{})
	b, _ := h.Add(Version[int]{Digest: "sha256:bbbbbbbbbb", Arrived: day(2), Content: 2}, time.Time{})
	c, _ := h.Add(Version[int]{Digest: "sha256:cccccccccc", Arrived: day(3), Content: 3}, time.Time{})
	if h.Newest() != "sha256:aaaaaaaaaa" || b.Newest() != "sha256:bbbbbbbbbb" || c.Newest() != "sha256:cccccccccc" {
		t.Errorf("%s, %s, %s", h.Newest(), b.Newest(), c.Newest())
	}
	if v, ok := b.ByDigest("sha256:bbbbbbbb"); !ok || v.Content != 2 {
		t.Errorf("by digest: %v %v", v, ok)
	}
	for _, short := range []string{"", "sha256:", "sha256:b", "sha256:dddddddd"} {
		if _, ok := b.ByDigest(short); ok {
			t.Errorf("%q names a version", short)
		}
	}
}

func TestAPolicyIsReadAgainFromWhatItWasMadeOf(t *testing.T) {
	p, err := Load(fstest.MapFS{
		"etc/policy.yaml": {Data: []byte("catalogs: [c.yaml]\ncodeowners: {github.com/acme/payments: sub/OWNERS}\nsince: 2026-11-01T00:00:00Z\nrules: [{name: r, when: 'true', verdict: review-required, reason: x, by: [owners]}]")},
		"etc/c.yaml":      {Data: []byte(catalog)}, "etc/sub/OWNERS": {Data: []byte(owners)},
	}, "etc/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	again, err := FromSources(p.Sources())
	if err != nil {
		t.Fatal(err)
	}
	q := Request{Repository: "github.com/acme/payments", Paths: []string{"src/auth/a.js"}}
	if diff := cmp.Diff(p.Decide(q), again.Decide(q)); diff != "" || p.Digest() != again.Digest() || !again.Since.Equal(p.Since) {
		t.Errorf("%s and %s\n%s", p.Digest(), again.Digest(), diff)
	}
	if _, err := FromSources(p.Sources()[:2]); err == nil {
		t.Error("a file is missing, and nobody says so")
	}
}

// A version that this release cannot read does not end the one before it, but nothing is proven by
// that one either.
func TestAVersionThatCannotBeReadLeavesTheFormerInForce(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	var h History[string]
	for day, content := range []string{"first", "second", "", ""} {
		v := Version[string]{Digest: fmt.Sprint(day), Arrived: at(day + 1), Content: content}
		if content == "" {
			v.Err = errors.New("of a release to come")
		}
		h, _ = h.Add(v, time.Time{})
	}
	for day, want := range map[int]string{1: "first", 2: "second", 3: "second", 9: "second"} {
		if v, held := h.At(at(day)); v.Content != want || held != (day < 3) {
			t.Errorf("on day %d %q is in force, held: %v", day, v.Content, held)
		}
	}
}
