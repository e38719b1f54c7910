package secrets

import (
	"strings"
	"testing"
)

// anAction is an action event of 2 KB, as agents send most often.
var anAction = []byte(`{"agent":{"id":"agent-bot-3000","provider":"anthropic","model":"claude-sonnet-4-5","run":"run-0009bd68","delegated_by":"mira.s"},"tool":"Bash","call_id":"toolu_01","outcome":"success","arguments":{"command":"npm install lodash@4.17.21 --save-exact && npm test -- --coverage","description":"update lodash and run the tests of the authorization module"},"result":"` +
	strings.Repeat(`PASS src/api/keys.test.js (5.211 s)\n  access control\n    ok refuses a token that expired (12 ms)\n    ok reads /etc/app/config.yaml before it starts (3 ms)\n`, 10) + `","files":["package.json","package-lock.json"]}`)

func BenchmarkJSON(b *testing.B) {
	r := redactor(b, Redacted)
	b.SetBytes(int64(len(anAction)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.JSON(b.Context(), anAction, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Redacted, nil); err != nil {
			b.Fatal(err)
		}
	}
}
