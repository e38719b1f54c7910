package nearest

import "testing"

func TestTheNameThatWasMeant(t *testing.T) {
	commands := []string{"query", "show", "replay", "publish", "policy"}
	fields := []string{"changetrail.gaps", "gen_ai.agent.id", "gen_ai.agent.name", "service.name", "tags", "user.name", "changetrail.change.id"}
	queries := []string{"not-reviewed", "not-authorized", "self-approved", "pci-6.3.2-agents"}
	for _, c := range []struct {
		given string
		known []string
		want  string
	}{
		{"querry", commands, "query"},
		{"qurey", commands, "query"},
		{"pubish", commands, "publish"},
		{"Show", commands, "show"},
		{"not-revewed", queries, "not-reviewed"},
		{"not_reviewed", queries, "not-reviewed"},
		{"notreviewed", queries, "not-reviewed"},
		{"service.nam", fields, "service.name"},
		{"services.name", fields, "service.name"},
		{"tag", fields, "tags"},
		{"gap", fields, "changetrail.gaps"},
		{"agent", fields, "gen_ai.agent.id"},
		{"skan", []string{"scan", "alert"}, "scan"},
		{"yml", []string{"yaml", "json"}, "yaml"},
		{"brokr", []string{"broker", "brokers"}, "broker"},
		{"größe", []string{"grösse", "x"}, "grösse"},
		{"", commands, ""},
		{"x", commands, ""},
		{"entirely-else", queries, ""},
		{"no", []string{"on"}, "on"},
		{"query", []string{"query"}, ""},
	} {
		if got := Name(c.given, c.known); got != c.want {
			t.Errorf("%q: %q, want %q", c.given, got, c.want)
		}
	}
}

func TestSentences(t *testing.T) {
	if got := Hint("querry", []string{"query"}); got != "; did you mean query?" {
		t.Error(got)
	}
	if got := Hint("x", []string{"query"}); got != "" {
		t.Error(got)
	}
	if got := List([]string{"a", "b", "c"}) + List([]string{"d"}) + List(nil); got != "a, b or cd" {
		t.Error(got)
	}
}

// Any two texts have a distance, which is the same in both directions.
func FuzzMistakes(f *testing.F) {
	f.Add("query", "qurey")
	f.Add("größe", "\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		n, ok := mistakes(a, b)
		m, _ := mistakes(b, a)
		if ok && len([]rune(a)) >= 3 && len([]rune(b)) >= 3 && n != m {
			t.Errorf("%q, %q: %d, %d", a, b, n, m)
		}
		if Name(a, []string{a}) != "" {
			t.Errorf("%q is meant by itself", a)
		}
	})
}
