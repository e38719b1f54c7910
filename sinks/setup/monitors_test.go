package setup_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/elasticsearch"
	"github.com/changetrail/changetrail/sinks/opensearch"
	"github.com/changetrail/changetrail/sinks/setup"
	"github.com/changetrail/changetrail/stream"
)

// alerting is a stub of the plug-in Alerting, written from its documentation: no registry has the plug-in for a
// test. It refuses what the documentation does not name.
type alerting struct {
	t        *testing.T
	absent   bool // the server has no such plug-in
	monitors map[string]object
	version  map[string]int
	requests []string // that changed something
}

func (a *alerting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	var body object
	text, _ := io.ReadAll(r.Body)
	if len(text) > 0 && json.Unmarshal(text, &body) != nil {
		answer(http.StatusBadRequest, object{"error": "not JSON"})
		return
	}
	id, named := strings.CutPrefix(r.URL.Path, "/_plugins/_alerting/monitors/")
	switch {
	case a.absent:
		answer(http.StatusBadRequest, object{"error": "no handler found for uri [" + r.URL.Path + "] and method [" + r.Method + "]"})
	case named && id == "_search" && r.Method == http.MethodPost:
		a.search(answer, body)
	case r.URL.Path == "/_plugins/_alerting/monitors" && r.Method == http.MethodPost:
		id = fmt.Sprint("m", len(a.monitors))
		a.keep(id, body, "POST")
		answer(http.StatusCreated, object{"_id": id, "monitor": body})
	case named && r.Method == http.MethodPut && a.monitors[id] != nil:
		if q := r.URL.Query(); q.Get("if_seq_no") != fmt.Sprint(a.version[id]) || q.Get("if_primary_term") != "1" {
			answer(http.StatusConflict, object{"error": "version_conflict_engine_exception"})
			return
		}
		a.keep(id, body, "PUT")
		answer(http.StatusOK, object{"_id": id, "monitor": body})
	default:
		answer(http.StatusNotFound, object{"error": "not found"})
	}
}

func (a *alerting) search(answer func(int, any), body object) {
	if len(a.monitors) == 0 {
		answer(http.StatusNotFound, object{"error": object{"type": "alerting_exception", "reason": "Configured indices are not found: [.opendistro-alerting-config]"}})
		return
	}
	query, _ := body["query"].(object)
	if match, _ := query["match"].(object); match["monitor.name"] != "changetrail" {
		answer(http.StatusBadRequest, object{"error": "another search"})
		return
	}
	var hits []any
	for id, m := range a.monitors {
		hits = append(hits, object{"_id": id, "_seq_no": a.version[id], "_primary_term": 1, "_source": m})
	}
	answer(http.StatusOK, object{"hits": object{"total": object{"value": len(hits)}, "hits": hits}})
}

func (a *alerting) keep(id string, body object, method string) {
	a.t.Helper()
	for _, name := range []string{"type", "name", "monitor_type", "enabled", "schedule", "inputs", "triggers"} {
		if body[name] == nil {
			a.t.Errorf("%s: a monitor without %s", method, name)
		}
	}
	a.monitors[id] = body
	a.version[id]++
	a.requests = append(a.requests, method)
}

func newAlerting(t *testing.T) (*alerting, *bulk.Server) {
	t.Helper()
	a := &alerting{t: t, monitors: make(map[string]object), version: make(map[string]int)}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	s, err := opensearch.New(bulk.Connection{Addresses: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	return a, s
}

// version returns two monitors as a version makes them.
func version(v string) (out []setup.Monitor) {
	for _, name := range []string{"one", "two"} {
		trigger := "changetrail-" + name + v
		out = append(out, setup.Monitor{Name: "changetrail: " + name, Trigger: trigger, Body: []byte(fmt.Sprintf(
			`{"type":"monitor","name":"changetrail: %s","monitor_type":"bucket_level_monitor","enabled":false,"schedule":{"period":{"interval":5,"unit":"MINUTES"}},"inputs":[{"search":%q}],"triggers":[{"bucket_level_trigger":{"id":%q,"name":"x","actions":[]}}]}`, name, v, trigger))})
	}
	return out
}

func changesOf(t *testing.T, s *bulk.Server, monitors []setup.Monitor, dryRun bool) (out []string) {
	t.Helper()
	steps, err := setup.Monitors(t.Context(), s, monitors, dryRun)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		out = append(out, step.Change)
	}
	return out
}

// TestMonitorsAreCreatedOnceAndUpgraded: a second run changes nothing, an upgrade keeps what people set.
func TestMonitorsAreCreatedOnceAndUpgraded(t *testing.T) {
	a, s := newAlerting(t)
	create, none := []string{"create, disabled", "create, disabled"}, []string{"", ""}
	if got := changesOf(t, s, version("1"), true); !cmp.Equal(got, create) || len(a.requests) > 0 {
		t.Fatalf("a dry run: %v, requests %v", got, a.requests)
	}
	if got := changesOf(t, s, version("1"), false); !cmp.Equal(got, create) {
		t.Fatalf("the first run: %v", got)
	}
	for id, m := range a.monitors {
		if m["enabled"] != false {
			t.Errorf("%s is enabled", id)
		}
	}
	if got := changesOf(t, s, version("1"), false); !cmp.Equal(got, none) || len(a.requests) != 2 {
		t.Fatalf("the second run: %v, requests %v", got, a.requests)
	}
	// A person enables one, adds an action, a trigger and another schedule, and makes a monitor of their own.
	mine := object{"bucket_level_trigger": object{"id": "mine", "name": "mine"}}
	for _, m := range a.monitors {
		if m["name"] == "changetrail: one" {
			m["enabled"], m["schedule"] = true, object{"period": object{"interval": 1.0, "unit": "HOURS"}}
			trigger := m["triggers"].([]any)[0].(object)["bucket_level_trigger"].(object)
			trigger["actions"] = []any{object{"name": "tell the SOC"}}
			m["triggers"] = []any{mine, m["triggers"].([]any)[0]}
		}
	}
	a.monitors["theirs"] = object{"name": "our changetrail watch", "triggers": []any{}}
	if got := changesOf(t, s, version("1"), false); !cmp.Equal(got, none) {
		t.Fatalf("after people changed them: %v", got)
	}
	if got := changesOf(t, s, version("2"), true); !cmp.Equal(got, []string{"update", "update"}) || len(a.requests) != 2 {
		t.Fatalf("a dry run of an upgrade: %v", got)
	}
	changesOf(t, s, version("2"), false)
	if got := changesOf(t, s, version("2"), false); !cmp.Equal(got, none) || len(a.requests) != 4 {
		t.Fatalf("after the upgrade: %v, requests %v", got, a.requests)
	}
	for _, m := range a.monitors {
		want := object{"enabled": false, "schedule": object{"period": object{"interval": 5.0, "unit": "MINUTES"}}, "triggers": []any{object{"bucket_level_trigger": object{"id": "changetrail-two2", "name": "x", "actions": []any{}}}}}
		if m["name"] == "changetrail: one" {
			want = object{"enabled": true, "schedule": object{"period": object{"interval": 1.0, "unit": "HOURS"}}, "triggers": []any{
				object{"bucket_level_trigger": object{"id": "changetrail-one2", "name": "x", "actions": []any{object{"name": "tell the SOC"}}}}, mine,
			}}
		}
		if m["name"] == "our changetrail watch" {
			continue
		}
		if diff := cmp.Diff(want, object{"enabled": m["enabled"], "schedule": m["schedule"], "triggers": m["triggers"]}); diff != "" {
			t.Errorf("%v after the upgrade (-want +got):\n%s", m["name"], diff)
		}
		if search := m["inputs"].([]any)[0].(object)["search"]; search != "2" {
			t.Errorf("%v searches %v", m["name"], search)
		}
	}
}

// TestMonitorsThatCannotBeSetUp: the error says why, and nothing is done.
func TestMonitorsThatCannotBeSetUp(t *testing.T) {
	a, s := newAlerting(t)
	fails := func(s *bulk.Server, want string) {
		t.Helper()
		var steps []stream.Step
		steps, err := setup.Monitors(t.Context(), s, version("1"), false)
		if err == nil || !strings.Contains(err.Error(), want) || len(steps) > 0 || len(a.requests) > 0 {
			t.Errorf("%v, %v, requests %v", steps, err, a.requests)
		}
	}
	a.absent = true
	fails(s, "the plug-in Alerting is missing")
	a.absent = false
	a.monitors["a"], a.monitors["b"] = object{"name": "changetrail: one"}, object{"name": "changetrail: one"}
	fails(s, "two monitors with the name")
	elastic, err := elasticsearch.New(bulk.Connection{Addresses: []string{"http://127.0.0.1:1"}})
	if err != nil || elastic.Name() != schemas.Elasticsearch {
		t.Fatal(err)
	}
	fails(elastic, "has no monitors")
}
