package detecttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/schemas"
)

// An object is a YAML map.
type object = map[string]any

// A Story is the events of one change, or of several changes of the same kind.
type Story struct {
	Rule     string // name of its file without .yml; empty for the story as it should be
	Name     string
	Positive bool // the rule must find it
	events   object
	changes  []string // repositories, one for each change
	health   []statement
}

// A statement is a document about the pipeline, as package health writes it.
type statement struct {
	At    float64             `json:"at"`    // minutes ago
	Times int                 `json:"times"` // how many such documents there are; 1 if omitted
	Facts schemas.HealthFacts `json:"facts"`
}

// A file is the stories of one rule.
type file struct {
	Positive map[string]story `yaml:"positive"`
	Negative map[string]story `yaml:"negative"`
}

type story struct {
	Service string `yaml:"service"` // payments if omitted
	Changes int    `yaml:"changes"` // how many; 1 if omitted
	Events  object `yaml:"events"`
	Health  []any  `yaml:"health"` // statements about the pipeline; then there are no changes
}

// stories reads all stories of a folder, the good one first.
func stories(t *testing.T, dir string) []Story {
	t.Helper()
	var good object
	read(t, filepath.Join(dir, "story.yaml"), &good)
	out := []Story{{Name: "good", events: good, changes: []string{"github.com/acme/payments-0"}}}
	names, err := filepath.Glob(filepath.Join(dir, "rules", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var f file
		read(t, name, &f)
		rule := strings.TrimSuffix(filepath.Base(name), ".yaml")
		for i, group := range []map[string]story{f.Positive, f.Negative} {
			for _, name := range slices.Sorted(maps.Keys(group)) {
				s := Story{Rule: rule, Name: name, Positive: i == 0, events: merge(good, group[name].Events).(object)}
				if len(group[name].Health) > 0 {
					s.events, s.health = nil, statements(t, rule, group[name].Health)
					out = append(out, s)
					continue
				}
				for range max(1, group[name].Changes) {
					s.changes = append(s.changes, fmt.Sprintf("github.com/acme/%s-%s-%s-%d", or(group[name].Service, "payments"), rule, name, len(s.changes)))
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// statements reads the statements about the pipeline of a story.
func statements(t *testing.T, rule string, list []any) (out []statement) {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%s: %v", rule, err)
	}
	return out
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func read(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// merge merges a patch into a value (RFC 7386).
func merge(value, patch any) any {
	p, ok := patch.(object)
	if !ok {
		return patch
	}
	v, _ := value.(object)
	out := maps.Clone(v)
	if out == nil {
		out = object{}
	}
	for k, x := range p {
		if x == nil {
			delete(out, k)
		} else {
			out[k] = merge(out[k], x)
		}
	}
	return out
}

// A told event is an event, who sends it, and when it arrives.
type told struct {
	event.Event
	from    identity.Principal
	arrives time.Time
}

// tell returns the events of a story that ends now.
func (s *Story) tell(t *testing.T, now time.Time) (out []told) {
	t.Helper()
	for _, repository := range s.changes {
		values := placeholders(repository)
		events := fill(s.events, values).(object)
		if scan, ok := events["scan"].(object); ok {
			content := scan["data"].(object)["report"].(object)["content"].(string)
			values = append(values, "${digest}", digests.Of([]byte(content)))
		}
		events = fill(s.events, values).(object)
		for _, name := range slices.Sorted(maps.Keys(events)) {
			text, err := json.Marshal(events[name])
			if err != nil {
				t.Fatal(err)
			}
			e, err := tellOne(name, repository, text, now)
			if err != nil {
				t.Fatalf("%s/%s: %s: %v", s.Rule, s.Name, name, err)
			}
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b told) int { return a.arrives.Compare(b.arrives) })
	return out
}

// placeholders returns what is filled in for a change.
func placeholders(repository string) []string {
	sha := func(what string) string {
		return strings.TrimPrefix(digests.Of([]byte(what+repository)), "sha256:")[:40]
	}
	return []string{
		"${repository}", repository, "${change}", repository + "/pull/1", "${head}", sha("head"), "${old}", sha("old"), "${merge}", sha("merge"),
		"${run}", "run-" + sha("run")[:8],
	}
}

func fill(v any, values []string) any {
	switch v := v.(type) {
	case string:
		return strings.NewReplacer(values...).Replace(v)
	case object:
		out := make(object, len(v))
		for k, x := range v {
			out[k] = fill(x, values)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = fill(x, values)
		}
		return out
	}
	return v
}

// tellOne makes the event with a name of the story.
func tellOne(name, repository string, text []byte, now time.Time) (out told, err error) {
	var item struct {
		Type   string          `json:"type"`
		From   string          `json:"from"`
		Source string          `json:"source"`
		About  string          `json:"about"`
		Again  string          `json:"again"`
		At     float64         `json:"at"`
		Late   float64         `json:"late"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &item); err != nil {
		return out, err
	}
	minutes := func(n float64) time.Duration { return time.Duration(n * float64(time.Minute)) }
	e := event.New()
	e.SetID(repository + "#" + or(item.Again, name))
	e.SetType("dev.changetrail." + item.Type + ".v1")
	e.SetSource(or(item.Source, "/"+or(item.From, "anonymous")))
	e.SetTime(now.Add(-minutes(item.At)))
	e.SetExtension("partitionkey", repository)
	if item.About != "repository" {
		e.SetSubject(repository + "/pull/1")
	}
	if err := e.SetData(event.ApplicationJSON, item.Data); err != nil {
		return out, err
	}
	out = told{arrives: e.Time().Add(minutes(item.Late))}
	kind, id, _ := strings.Cut(item.From, ":")
	switch kind {
	case "agent":
		out.from = identity.Principal{Name: id, Agent: id}
	case "platform":
		out.from = identity.Principal{Name: id, Platform: id}
	case "history":
		out.from = identity.Principal{Name: id, Platform: id, History: true}
		e.SetExtension("arrivedat", e.Time().UTC().Format(time.RFC3339Nano))
	case "person":
		out.from = identity.Principal{Name: id, Person: id}
	}
	out.Event = e
	return out, nil
}
