package secrets

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestEveryRuleIsRead: the expression of each rule compiles, and something is known about its
// matches.
func TestEveryRuleIsRead(t *testing.T) {
	all := allRules()
	if len(all) < 200 {
		t.Errorf("%d rules", len(all))
	}
	for _, r := range all {
		if p := r.look(); p.regex == nil || p.length <= 0 || len(r.keywords) == 0 {
			t.Errorf("%s: %+v, keywords %v", r.id, p, r.keywords)
		}
	}
}

// TestKeywordsAreFoundAlike: one by one, as in a short text, or in one pass.
func TestKeywordsAreFoundAlike(t *testing.T) {
	r := newRules()
	rnd := rand.New(rand.NewPCG(3, 4))
	n := 0
	for range 500 {
		var b strings.Builder
		for range rnd.IntN(30) {
			k := r.keywords[rnd.IntN(len(r.keywords))]
			b.WriteString([]string{k, k[:rnd.IntN(len(k)+1)], k + k, "key", "aaaa", " ", "="}[rnd.IntN(7)])
		}
		var want []match
		r.trie().Walk([]byte(b.String()), func(last, n, keyword int64) bool {
			want = append(want, match{int(last-n) + 1, int(last) + 1, int(keyword)})
			return true
		})
		if got := r.each(b.String()); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", b.String(), got, want)
		}
		n += len(want)
	}
	if n < 1000 {
		t.Errorf("%d keywords: this test tells little", n)
	}
}

// TestAShortTextAndALongOneAreRedactedAlike, at first and after much text was searched.
func TestAShortTextAndALongOneAreRedactedAlike(t *testing.T) {
	warm := redactor(t, Redacted)
	if _, _, err := warm.Text(t.Context(), strings.Repeat("a line of text\n", few/10)); err != nil {
		t.Fatal(err)
	}
	for _, s := range spills() {
		first, _, err := redactor(t, Redacted).Text(t.Context(), s.text)
		late, _, lateErr := warm.Text(t.Context(), s.text)
		if err != nil || lateErr != nil || first != late {
			t.Errorf("%q became %q, later %q: %v %v", s.text, first, late, err, lateErr)
		}
	}
}

func BenchmarkFirstText(b *testing.B) {
	for b.Loop() {
		if _, _, err := redactor(b, Redacted).Text(b.Context(), "go test ./... && git push origin HEAD:fix/4829"); err != nil {
			b.Fatal(err)
		}
	}
}
