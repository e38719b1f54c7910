package policy_test

import (
	"fmt"
	"testing"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

func BenchmarkDecide(b *testing.B) {
	p := example(b)
	q := policy.Request{
		Agent: "agent-bot-3000", Repository: "github.com/acme/payments", Paths: []string{"src/auth.js", "src/cart.js", "package.json"},
		Dependencies: []record.DependencyUpdate{{Name: "lodash", From: "4.17.20", To: "4.17.21"}},
	}
	for _, n := range []int{3, 300} {
		b.Run(fmt.Sprintf("%d paths", n), func(b *testing.B) {
			q := q
			for i := len(q.Paths); i < n; i++ {
				q.Paths = append(q.Paths, fmt.Sprintf("src/p%03d.js", i))
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(q)
			}
		})
	}
}
