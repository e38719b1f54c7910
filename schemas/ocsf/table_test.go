package ocsf_test

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/produced"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas/ocsf"
	"github.com/changetrail/changetrail/sinks"
)

// A row is one attribute in the table of docs/ocsf.md.
type row struct {
	classes []int    // none: all
	fields  []string // that the last column names
	alone   bool     // the last column is one field and nothing else
	seen    bool
}

// table reads docs/ocsf.md.
func table(t *testing.T) map[string]*row {
	t.Helper()
	text, err := os.ReadFile("../../docs/ocsf.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Attributes\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	rows := make(map[string]*row)
	for line := range strings.Lines(rest) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		r := new(row)
		for class := range strings.SplitSeq(strings.TrimSpace(cells[2]), ", ") {
			if n, err := strconv.Atoi(class); err == nil {
				r.classes = append(r.classes, n)
			} else if class != "all" {
				t.Errorf("%q is no class: %s", class, line)
			}
		}
		from := strings.TrimSpace(cells[3])
		for i, field := range strings.Split(from, "`") {
			if i%2 == 1 {
				r.fields = append(r.fields, field)
			}
		}
		r.alone = len(r.fields) == 1 && from == "`"+r.fields[0]+"`"
		rows[strings.Trim(cells[1], " `")] = r
	}
	return rows
}

// leaves calls f with the path and the value of each string, number and boolean in v. Lists have no
// part in a path.
func leaves(v any, path string, f func(path string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			leaves(m, strings.TrimPrefix(path+"."+name, "."), f)
		}
	case []any:
		for _, m := range v {
			leaves(m, path, f)
		}
	default:
		f(path, v)
	}
}

// values returns the values at each path of a JSON text.
func values(t *testing.T, text []byte) (whole map[string]any, at map[string][]any) {
	t.Helper()
	if err := json.Unmarshal(text, &whole, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	at = make(map[string][]any)
	leaves(whole, "", func(path string, value any) { at[path] = append(at[path], value) })
	return whole, at
}

// documents are of every kind. Those of the generated events name no sender, two others do.
func documents(t *testing.T) []sinks.Document {
	t.Helper()
	out := slices.Concat(produced.Workload(t, 5, 20), produced.Odd(t, 3, 1500))
	for _, eventType := range []string{record.TypeIdentityRefused, record.TypeChangeMerged} {
		out = append(out, sinks.Document{Body: fmt.Appendf(nil,
			`{"@timestamp":"2026-03-01T10:00:00.5Z","event":{"dataset":"changetrail.event","action":"a","id":"1","provider":"/a","created":"2026-03-01T10:00:01Z"},"changetrail":{"event":{"type":%q,"sender":"platform:gateway","witness":"observed"}}}`, eventType)})
	}
	return out
}

// TestTheTable compares docs/ocsf.md with events, and checks that each value of a document is in its
// event: in unmapped under its own name, or in the attribute that the table names.
func TestTheTable(t *testing.T) {
	rows := table(t)
	for _, d := range documents(t) {
		e, err := ocsf.From(d.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, in := values(t, d.Body)
		whole, out := values(t, e.JSON)
		for path, got := range out {
			if strings.HasPrefix(path, "unmapped.") {
				continue
			}
			r := rows[path]
			switch {
			case r == nil:
				t.Fatalf("%s is not in docs/ocsf.md", path)
			case r.classes != nil && !slices.Contains(r.classes, e.Class):
				t.Fatalf("%s is in an event of class %d, which docs/ocsf.md does not say", path, e.Class)
			}
			r.seen = true
			for _, v := range got {
				if r.alone && !has(in[r.fields[0]], v) {
					t.Fatalf("%s is %v, and %s is %v", path, v, r.fields[0], in[r.fields[0]])
				}
			}
		}
		unmapped, _ := whole["unmapped"].(map[string]any)
		kept(t, d.Body, unmapped, func(path string, v any) bool {
			for attribute, r := range rows {
				if slices.Contains(r.fields, path) && has(out[attribute], v) {
					return true
				}
			}
			return slices.Contains([]string{"ecs.version", "data_stream.type", "data_stream.dataset"}, path) // of the index
		})
	}
	for path, r := range rows {
		if !r.seen {
			t.Errorf("%s is in docs/ocsf.md and in no event", path)
		}
	}
}

// has reports whether v is one of values; a time and its number of milliseconds are the same.
func has(values []any, v any) bool {
	return slices.ContainsFunc(values, func(have any) bool { return have == v || millis(have) == millis(v) && millis(v) != 0 })
}

func millis(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return float64(at.UnixMilli())
		}
	}
	return 0
}

// kept checks that each value of a document is in unmapped, or otherwise mapped.
func kept(t *testing.T, document []byte, unmapped map[string]any, mapped func(path string, v any) bool) {
	t.Helper()
	whole, _ := values(t, document)
	for name, member := range whole {
		trail, _ := member.(map[string]any)
		if text := dataText(unmapped); text != "" && name == "changetrail" && trail["data"] != nil {
			if !bytes.Contains(document, []byte(text)) {
				t.Fatalf("the data are %s, and the document is %s", text, document)
			}
			trail["data_text"] = text
			delete(trail, "data")
		}
		if reflect.DeepEqual(member, unmapped[name]) {
			continue
		}
		leaves(member, name, func(path string, v any) {
			if !mapped(path, v) {
				t.Fatalf("%s, which is %v, is not in the event: %s", path, v, document)
			}
		})
	}
}

// dataText returns the data that are text in an event; empty if they are not.
func dataText(unmapped map[string]any) string {
	trail, _ := unmapped["changetrail"].(map[string]any)
	text, _ := trail["data_text"].(string)
	return text
}
