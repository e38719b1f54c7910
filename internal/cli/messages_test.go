package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// leaked are words of libraries, of Go and of parsers. Nobody who types a command knows them.
var leaked = regexp.MustCompile(`yaml: |json: |jsontext|unmarshal|strconv|time\.Time|parsing time|!!\w+|\bstruct\b|\bmap\[|\*\w+\.|<input>|token recognition|EOF|openat |no such file or directory|connection refused|bind: |cannot convert|RFC3339|nil\b|Syntax error`)

// TestMessagesAreSentences gives each command files and values that are wrong: the message
// says where, what is wrong, and nothing of what is inside.
func TestMessagesAreSentences(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(text string) string {
		f, err := os.CreateTemp(".", "file-*.txt")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		return filepath.Base(f.Name())
	}
	const service = "services: [{name: s, repositories: [a/b/c], classification: low}]\n"
	with := func(arg string) func(string) []string {
		return func(file string) []string {
			return strings.Fields(strings.ReplaceAll(arg, "FILE", file))
		}
	}
	config, policy := with("config --config FILE"), with("policy explain --policy FILE --repository github.com/acme/payments a.js")
	controls, publish := with("controls --controls FILE"), with("publish --brokers 127.0.0.1:1 FILE")
	scan, tests := with("attach scan --change acme/payments#1 FILE"), with("attach tests --change acme/payments#1 FILE")
	for name, c := range map[string]struct {
		command func(file string) []string
		text    string
		want    string // after the name of the file
	}{
		"config, a key":            {config, "kafka: {broker: [a]}", ":1:9: there is no key broker; did you mean brokers?"},
		"config, a bracket":        {config, "kafka:\n  brokers: [a\n", ":2:1: a list that begins with [ does not end with ]"},
		"config, a span":           {config, "retention: 3 years", `:1:12: "3 years" is not a time span`},
		"config, a kind":           {config, "kafka: 3", `:1:8: expected a group of keys, found "3"`},
		"config, a tab":            {config, "\tx: 1", ":1:1: a value begins with"},
		"config, a colon":          {config, "a: b: c", ":1:1: there is a second colon"},
		"config, no text":          {config, "a: \xff\xfe", ":1:1: the file is not text in UTF-8"},
		"config, a number":         {config, "kafka: {partitions: many}", `:1:21: expected a whole number, found "many"`},
		"config, a list":           {config, "- a", ":1:1: expected a group of keys, found a list"},
		"policy, a key":            {policy, "servces: []", ":1:1: there is no key servces; did you mean services?"},
		"policy, a verdict":        {policy, service + "rules: [{name: r, when: 'true', verdict: forbidde, reason: x}]", `:2:42: rules[0] (r): verdict "forbidde" is not one of autonomous, review-required, approval-required, forbidden; did you mean forbidden?`},
		"policy, a field":          {policy, service + "rules: [{name: r, when: 'service.nme == \"a\"', verdict: forbidden, reason: x}]", "service has no nme, only name, classification, data_classes, environments, owner; did you mean name?"},
		"policy, an object":        {policy, service + "rules: [{name: r, when: 'servce.name == \"a\"', verdict: forbidden, reason: x}]", "there is no servce; a condition can use agent, service and change; did you mean service?"},
		"policy, a comparison":     {policy, service + "rules: [{name: r, when: 'service.name = \"a\"', verdict: forbidden, reason: x}]", "= compares nothing; write =="},
		"policy, half a condition": {policy, service + "rules: [{name: r, when: 'service.name ==', verdict: forbidden, reason: x}]", "the condition is not complete"},
		"policy, a class":          {policy, "services: [{name: s, repositories: [a/b/c], classification: critcal}]", "did you mean critical?"},
		"controls, a key":          {controls, "controls:\n  - tg: a\n", ":2:5: there is no key tg; did you mean tag?"},
		"controls, a column":       {controls, "tag,data_clases\na,b\n", ":1:5: column \"data_clases\" is not one of"},
		"controls, a row":          {controls, "tag,title\na,b,c\n", "another number of values than the header"},
		"controls, JSON":           {controls, `{"component-definition": {"components": [{"title": 3}]}}`, "expected a text, found a number"},
		"events, no JSON":          {publish, "not json", ":1:2: this is not JSON"},
		"events, half an event":    {publish, `{"specversion":"1.0"`, "this JSON ends in the middle of a value"},
		"events, no event":         {publish, "[1]", ":1:2: event 1: expected an object, found a number"},
		"events, nothing":          {publish, "", ": it contains no event"},
		"events, no type":          {publish, "{}", "specversion or type is missing"},
		"events, a time":           {publish, `{"specversion":"1.0","type":"a.b","time":"yesterday"}`, `time: "yesterday" is not a time, for example 2026-11-12T03:47:00Z`},
		"events, an id":            {publish, `{"specversion":"1.0","type":"a.b","id":7}`, "id: expected a text, found a number"},
		"events, a source":         {publish, `{"specversion":"1.0","type":"a.b","source":""}`, "source is empty"},
		"events, a type":           {publish, `{"specversion":"1.0","id":"1","source":"/a","type":"dev.changetrail.decison.recorded.v1","subject":"acme/payments#1","data":{}}`, "did you mean dev.changetrail.decision.recorded.v1?"},
		"events, a change":         {publish, `{"specversion":"1.0","id":"1","source":"/a","type":"dev.changetrail.change.opened.v1","subject":"foo","data":{}}`, `"foo" is not a change; write acme/payments#4829`},
		"events, a value":          {publish, `{"specversion":"1.0","id":"1","source":"/a","type":"dev.changetrail.review.submitted.v1","subject":"acme/payments#1","data":{"reviewer":"a","verdict":"aproved"}}`, `data.verdict: "aproved" is not one of approved, changes-requested, commented, dismissed; did you mean approved?`},
		"events, a list":           {publish, `{"specversion":"1.0","id":"1","source":"/a","type":"dev.changetrail.review.submitted.v1","subject":"acme/payments#1","data":{"reviewer":["a"],"verdict":"approved"}}`, "data.reviewer: expected a text, found a list"},
		"a scan, half of it":       {scan, `{"results": [`, "this JSON ends in the middle of a value"},
		"a scan, no report":        {scan, "hello", "it is neither JSON nor XML"},
		"a scan, nothing":          {scan, "", "the file is empty"},
		"tests, half of it":        {tests, "<testsuite><testcase>", "it ends in the middle of an element"},
		"tests, markup":            {tests, "<a><b></a>", "supported XML formats are JUnit"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(c.text)
			var out, errOut strings.Builder
			code := Run(t.Context(), c.command(file), strings.NewReader(""), &out, &errOut, nil)
			said := errOut.String()
			if code == 0 || !strings.Contains(said, file) || !strings.Contains(said, c.want) {
				t.Errorf("%d: %s\nwant %s", code, said, c.want)
			}
			if word := leaked.FindString(said); word != "" {
				t.Errorf("it says %q: %s", word, said)
			}
		})
	}
	for name, args := range map[string][]string{
		"no file":            {"publish", "nowhere.json"},
		"a folder":           {"publish", "."},
		"no policy":          {"policy", "explain", "--policy", "nowhere.yaml", "--repository", "github.com/acme/payments"},
		"no configuration":   {"config", "--config", "nowhere.yaml"},
		"no archive":         {"import", "nowhere"},
		"no broker":          {"enrich", "--brokers", "127.0.0.1:1"},
		"no search engine":   {"show", "--engine", "opensearch", "--url", "http://127.0.0.1:1", "acme/payments#1"},
		"no address":         {"up", "--listen", "foo"},
		"no port":            {"up", "--listen", "127.0.0.1:99999"},
		"no saved folder":    {"replay", "--check", "."},
		"an address of ours": {"sink", "--url", "::bad"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut strings.Builder
			code := Run(t.Context(), args, strings.NewReader(""), &out, &errOut, nil)
			if word := leaked.FindString(errOut.String()); code == 0 || word != "" {
				t.Errorf("%d: it says %q: %s", code, word, errOut.String())
			}
		})
	}
}

// TestAnUnknownAgentIsMisuse asks what a policy says about an agent that it does not have.
func TestAnUnknownAgentIsMisuse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte("services: [{name: s, repositories: [github.com/a/b], classification: low}]\nagents: [{id: patch-pilot, services: [\"*\"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for agent, want := range map[string]int{"patch-pilot": exitOK, "patch-pilott": exitMisuse, "": exitOK} {
		for _, format := range []string{"text", "json"} {
			var out, errOut strings.Builder
			code := Run(t.Context(), []string{"policy", "explain", "--policy", file, "--repository", "github.com/a/b", "--agent", agent, "-o", format, "a.go"}, strings.NewReader(""), &out, &errOut, nil)
			if code != want || strings.Contains(errOut.String(), "did you mean patch-pilot?") != (want == exitMisuse) || (out.String() == "") != (want == exitMisuse) {
				t.Errorf("%q, %s: exit code %d: %s%s", agent, format, code, out.String(), errOut.String())
			}
		}
	}
}
