package setup

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

const (
	eventPattern   = "logs-" + schemas.EventDataset + "-*"
	recordPattern  = "changetrail-record-*"
	findingPattern = "changetrail-finding-*"
	healthPattern  = "changetrail-health-*"
)

// A Server is a search engine.
type Server interface {
	Name() string
	Request(ctx context.Context, method, path string, body []byte) (status int, answer jsontext.Value, err error)
}

// Options are the settings that users can choose.
type Options struct {
	Namespace string
	Retention time.Duration
	Shards    int // of each index; 1 if 0
	DryRun    bool
	Now       time.Time
}

// An indexer sets up one engine, and records its steps.
type indexer struct {
	Server
	Options
	lifecycle bool
	steps     []stream.Step
}

// Index sets up the engine and returns what it found and did.
func Index(ctx context.Context, s Server, o Options) ([]stream.Step, error) {
	x := &indexer{Server: s, Options: o}
	for _, step := range []func(context.Context) error{x.policies, x.templates, x.dataStream, x.recordIndex, x.findingIndex, x.healthIndex, x.mappings} {
		if err := step(ctx); err != nil {
			return x.steps, err
		}
	}
	return x.steps, nil
}

func (x *indexer) note(what, change string) {
	x.steps = append(x.steps, stream.Step{What: what, Change: change})
}

// send makes a request that must succeed.
func (x *indexer) send(ctx context.Context, method, path string, body any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body, json.Deterministic(true)); err != nil {
			return err
		}
	}
	status, answer, err := x.Request(ctx, method, path, text)
	if err != nil {
		return err
	}
	if status >= 300 {
		return fmt.Errorf("%s: %s %s: HTTP %d: %s", x.Name(), method, path, status, printable.Beginning(answer, 500))
	}
	return nil
}

// A thing is something that setup makes, such as an index template.
type thing struct {
	what, path string
	have       jsontext.Value // what the engine has at the path; nil: nothing
}

// put sends body to its path unless the engine already has it. A digest that is stored with it says so.
func (x *indexer) put(ctx context.Context, t thing, body map[string]any) error {
	text, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return err
	}
	digest := digests.Of(text)
	change := "create"
	if t.have != nil {
		if strings.Contains(string(t.have), digest) {
			x.note(t.what, "")
			return nil
		}
		change = "update"
	}
	x.note(t.what, change)
	if x.DryRun {
		return nil
	}
	body["_meta"] = map[string]any{"managed_by": "changetrail setup", "digest": digest}
	return x.send(ctx, http.MethodPut, t.path, body)
}

// policies creates the lifecycle policies. An engine without lifecycle management is set up without
// them, and a step says so.
func (x *indexer) policies(ctx context.Context) error {
	base, want := "/_ilm/policy/", ILM(x.Retention)
	if x.Name() == schemas.OpenSearch {
		base, want = "/_plugins/_ism/policies/", ISM(x.Retention)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		status, have, err := x.Request(ctx, http.MethodGet, base+name, nil)
		if err != nil {
			return err
		}
		what := "lifecycle policy " + name
		switch {
		case status == http.StatusOK || status == http.StatusNotFound && !noHandler(have):
			x.lifecycle = true
		case status == http.StatusBadRequest || status == http.StatusMethodNotAllowed || status == http.StatusNotFound:
			x.note(what+": this server has no lifecycle management, so nothing is ever deleted by age; delete old indexes yourself", "")
			return nil
		default:
			return fmt.Errorf("%s: GET %s: HTTP %d: %s", x.Name(), base+name, status, printable.Beginning(have, 500))
		}
		t := thing{what: what, path: base + name}
		if status == http.StatusOK {
			t.have = have
		}
		if err := x.policy(ctx, t, want[name]); err != nil {
			return err
		}
	}
	return nil
}

// noHandler reports whether the server does not know the path, in contrast to an object that does
// not exist.
func noHandler(answer []byte) bool { return strings.Contains(string(answer), "no handler found") }

func (x *indexer) policy(ctx context.Context, t thing, want any) error {
	if t.have != nil && covers(t.have, want, policyOf) {
		x.note(t.what, "")
		return nil
	}
	change, path := "create", t.path
	if t.have != nil {
		change = "update"
		if x.Name() == schemas.OpenSearch {
			var doc struct {
				SeqNo int64 `json:"_seq_no"`
				Term  int64 `json:"_primary_term"`
			}
			if err := json.Unmarshal(t.have, &doc); err != nil {
				return fmt.Errorf("%s: %s: %w", x.Name(), path, err)
			}
			path += fmt.Sprintf("?if_seq_no=%d&if_primary_term=%d", doc.SeqNo, doc.Term)
		}
	}
	x.note(t.what, change)
	if x.DryRun {
		return nil
	}
	return x.send(ctx, http.MethodPut, path, want)
}

// policyOf finds the policy in the answer of either engine: under its name, or at the top level.
func policyOf(v map[string]any) map[string]any {
	if p, ok := v["policy"].(map[string]any); ok {
		return p
	}
	for _, inner := range v {
		if m, ok := inner.(map[string]any); ok {
			if p, ok := m["policy"].(map[string]any); ok {
				return p
			}
		}
	}
	return nil
}

// covers reports whether have contains all of want. It may contain more: the engine adds defaults.
func covers(have jsontext.Value, want any, find func(map[string]any) map[string]any) bool {
	var h, w map[string]any
	text, err := json.Marshal(want)
	if err != nil || json.Unmarshal(have, &h) != nil || json.Unmarshal(text, &w) != nil {
		return false
	}
	return contains(find(h), find(w))
}

func contains(have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range w {
			if !contains(h[k], v) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return false
		}
		for i := range w {
			if !contains(h[i], w[i]) {
				return false
			}
		}
		return true
	}
	return have == want
}

// templates creates the index templates.
func (x *indexer) templates(ctx context.Context) error {
	for _, t := range []struct{ name, pattern, policy string }{
		{"event", eventPattern, EventsPolicy},
		{"record", recordPattern, RecordsPolicy},
		{"finding", findingPattern, ""},
		{"health", healthPattern, RecordsPolicy},
	} {
		mapping, err := schemas.Mapping(x.Name(), t.name)
		if err != nil {
			return err
		}
		settings := map[string]any{
			"number_of_shards": max(x.Shards, 1), "auto_expand_replicas": "0-1", "refresh_interval": "1s",
			"mapping.total_fields.limit": 500,
		}
		if t.policy != "" && x.lifecycle && x.Name() == schemas.Elasticsearch {
			settings["lifecycle.name"] = t.policy
		}
		template := map[string]any{"settings": map[string]any{"index": settings}, "mappings": mapping}
		body := map[string]any{"index_patterns": []string{t.pattern}, "priority": 300, "template": template}
		switch t.name {
		case "event":
			body["data_stream"] = map[string]any{}
		case "record":
			template["aliases"] = map[string]any{schemas.RecordsAlias: map[string]any{}}
		case "finding":
			template["aliases"] = map[string]any{schemas.FindingsAlias: map[string]any{}}
		case "health":
			template["aliases"] = map[string]any{schemas.HealthAlias: map[string]any{}}
		}
		path := "/_index_template/changetrail-" + t.name
		status, have, err := x.Request(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		switch status {
		case http.StatusNotFound:
			have = nil
		case http.StatusOK:
		default:
			return fmt.Errorf("%s: GET %s: HTTP %d: %s", x.Name(), path, status, printable.Beginning(have, 500))
		}
		if err := x.put(ctx, thing{"index template changetrail-" + t.name, path, have}, body); err != nil {
			return err
		}
	}
	return nil
}

// dataStream creates the data stream of the events.
func (x *indexer) dataStream(ctx context.Context) error {
	name := schemas.EventIndex(x.Namespace)
	status, answer, err := x.Request(ctx, http.MethodGet, "/_data_stream/"+name, nil)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		x.note("data stream "+name, "")
		return nil
	case status == http.StatusNotFound && !noHandler(answer):
		x.note("data stream "+name, "create")
		if x.DryRun {
			return nil
		}
		return x.send(ctx, http.MethodPut, "/_data_stream/"+name, nil)
	case status == http.StatusBadRequest || status == http.StatusMethodNotAllowed || noHandler(answer):
		x.note("data stream "+name+": this server has no API to create one; the first event creates it", "")
		return nil
	}
	return fmt.Errorf("%s: GET /_data_stream/%s: HTTP %d: %s", x.Name(), name, status, printable.Beginning(answer, 500))
}

// recordIndex creates this month's index of records, so that the alias exists before the first
// record.
func (x *indexer) recordIndex(ctx context.Context) error {
	return x.index(ctx, schemas.RecordIndex(x.Namespace, x.Now), schemas.RecordsAlias)
}

// findingIndex creates the index of the findings.
func (x *indexer) findingIndex(ctx context.Context) error {
	return x.index(ctx, schemas.FindingIndex(x.Namespace), schemas.FindingsAlias)
}

// healthIndex creates this month's index of what is measured of the pipeline.
func (x *indexer) healthIndex(ctx context.Context) error {
	return x.index(ctx, schemas.HealthIndex(x.Namespace, x.Now), schemas.HealthAlias)
}

func (x *indexer) index(ctx context.Context, name, alias string) error {
	status, answer, err := x.Request(ctx, http.MethodHead, "/"+name, nil)
	if err != nil {
		return err
	}
	what := "index " + name + " with alias " + alias
	switch status {
	case http.StatusOK:
		x.note(what, "")
	case http.StatusNotFound:
		x.note(what, "create")
		if !x.DryRun {
			return x.send(ctx, http.MethodPut, "/"+name, nil)
		}
	default:
		return fmt.Errorf("%s: HEAD /%s: HTTP %d: %s", x.Name(), name, status, printable.Beginning(answer, 500))
	}
	return nil
}

// mappings updates the existing indexes to the templates. Fields are only ever added, so that no
// reindexing is needed. Each run does it, which changes nothing where the fields are there: an
// interrupted run may have changed the templates alone.
func (x *indexer) mappings(ctx context.Context) error {
	if x.DryRun {
		return nil
	}
	for _, t := range []struct{ name, target string }{
		{"event", schemas.EventIndex(x.Namespace)},
		{"record", recordPattern},
		{"finding", findingPattern},
		{"health", healthPattern},
	} {
		mapping, err := schemas.Mapping(x.Name(), t.name)
		if err != nil {
			return err
		}
		path := "/" + t.target + "/_mapping?ignore_unavailable=true&allow_no_indices=true"
		status, answer, err := x.Request(ctx, http.MethodPut, path, mapping)
		if err != nil {
			return err
		}
		if status != http.StatusOK && status != http.StatusNotFound {
			return fmt.Errorf("%s: an existing index does not accept the mapping of this version: PUT %s: HTTP %d: %s", x.Name(), path, status, printable.Beginning(answer, 500))
		}
	}
	return nil
}
