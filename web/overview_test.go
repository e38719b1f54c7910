package web

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/query"
)

// TestPercentsSumTo100: and what is not all is never 100.
func TestPercentsSumTo100(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		parts, total := make([]number, 5), 0
		for i := range parts {
			parts[i].N = random.IntN(1 + random.IntN(3)*random.IntN(2000))
			total += parts[i].N
		}
		got, sum := percents(parts, total), 0
		for i, p := range got {
			sum += p
			if p == 100 && parts[i].N < total || p < parts[i].N*100/max(1, total) && p < 99 || p > 0 && parts[i].N == 0 {
				t.Fatalf("%v are %v", parts, got)
			}
		}
		if total > 0 && sum != 100 || total == 0 && sum != 0 {
			t.Fatalf("%v are %v, which is %d in all", parts, got, sum)
		}
	}
	if got := fmt.Sprint(percents([]number{{N: 999}, {N: 1}}, 1000)); got != "[99 1]" {
		t.Error(got)
	}
}

// TestAListThatWasCutSaysSo: also one that the index has cut, and no other.
func TestAListThatWasCutSaysSo(t *testing.T) {
	for n, want := range map[int]string{
		mostAgents:     "",
		mostGaps + 28:  "Shown: 12 of 40 services. Shown: 12 of 40 controls, those with the most work to do. Shown: 8 of 40 agents, those with most changes. Shown: 12 of 40 kinds of gaps, the most frequent ones.",
		moreSize:       "Shown: 12 of at least 500 services. Shown: 12 of at least 500 controls, those with the most work to do. Shown: 8 of at least 500 agents, those with most changes. Shown: 12 of at least 500 kinds of gaps, the most frequent ones.",
		mostAgents + 1: "Shown: 8 of 9 agents, those with most changes.",
	} {
		s := searcher(t)
		var values []query.Count
		for i := range n {
			values = append(values, query.Count{Value: fmt.Sprintf("v%d", i), N: 1})
		}
		s.index.result = query.Result{Total: n, Facets: map[string][]query.Count{"service.name": values, "tags": values, "gen_ai.agent.id": values, "changetrail.gaps": values}}
		_, page := s.get(t, "/")
		var said []string
		for _, part := range strings.Split(read(page), "Shown: ")[1:] {
			end := strings.Index(part, ".")
			said = append(said, "Shown: "+strings.ReplaceAll(part[:end+1], " .", "."))
		}
		got := strings.ReplaceAll(strings.Join(said, " "), "  ", " ")
		if got = strings.ReplaceAll(strings.ReplaceAll(got, " .", "."), " ,", ","); got != want {
			t.Errorf("of %d: %q, want %q", n, got, want)
		}
		if linked := strings.Contains(page, "more=service.name"); linked != strings.Contains(want, "services") {
			t.Errorf("of %d: it leads to all services: %v", n, linked)
		}
	}
}
