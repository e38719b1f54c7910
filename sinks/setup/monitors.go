package setup

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// A Monitor is a monitor of OpenSearch Alerting.
type Monitor struct {
	Name    string // by which it is found: monitors have no ids of one's own choice
	Trigger string // id of its trigger, which says which version it is
	Body    []byte
}

// ownTrigger is the beginning of the ids of the triggers that setup makes.
const ownTrigger = "changetrail-"

// monitorsAPI is the API of the Alerting plug-in.
const monitorsAPI = "/_plugins/_alerting/monitors"

// maxMonitors is how many monitors are read.
const maxMonitors = 1000

// Monitors creates the monitors that do not exist and upgrades those of another version, and returns what it
// found and did. New ones are as their body says. An upgrade keeps whether a monitor is enabled, its schedule,
// its actions and the triggers that people added. It deletes nothing.
func Monitors(ctx context.Context, s Server, monitors []Monitor, dryRun bool) ([]stream.Step, error) {
	if s.Name() != schemas.OpenSearch {
		return nil, fmt.Errorf("%s has no monitors; import the detections of setup --export-siem into Elastic Security", s.Name())
	}
	x := &indexer{Server: s, Options: Options{DryRun: dryRun}}
	there, err := x.monitors(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range monitors {
		if err := x.monitor(ctx, m, there[m.Name]); err != nil {
			return x.steps, err
		}
	}
	return x.steps, nil
}

// storedMonitor is a monitor that the server has.
type storedMonitor struct {
	ID     string `json:"_id"`
	SeqNo  *int64 `json:"_seq_no"`
	Term   *int64 `json:"_primary_term"`
	Source struct {
		Name     string           `json:"name"`
		Enabled  bool             `json:"enabled"`
		Schedule jsontext.Value   `json:"schedule"`
		Triggers []jsontext.Value `json:"triggers"`
	} `json:"_source"`
}

// A monitorTrigger is the part of a trigger that is read.
type monitorTrigger struct {
	Bucket struct {
		ID      string         `json:"id"`
		Actions jsontext.Value `json:"actions"`
	} `json:"bucket_level_trigger"`
}

// monitors returns the monitors of changetrail that the server has, by name.
func (x *indexer) monitors(ctx context.Context) (map[string]*storedMonitor, error) {
	search := fmt.Sprintf(`{"size":%d,"query":{"match":{"monitor.name":"changetrail"}}}`, maxMonitors)
	path := monitorsAPI + "/_search"
	status, answer, err := x.Request(ctx, http.MethodPost, path, []byte(search))
	switch {
	case err != nil:
		return nil, err
	case noHandler(answer):
		return nil, fmt.Errorf("%s has no monitors: the plug-in Alerting is missing", x.Name())
	case status == http.StatusNotFound: // there was never a monitor
		return nil, nil
	case status != http.StatusOK:
		return nil, fmt.Errorf("%s: POST %s: HTTP %d: %s", x.Name(), path, status, printable.Beginning(answer, 500))
	}
	var found struct {
		Hits struct {
			Total struct {
				Value int `json:"value"`
			} `json:"total"`
			Hits []*storedMonitor `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return nil, fmt.Errorf("%s: the list of monitors cannot be read: %w", x.Name(), err)
	}
	if n := len(found.Hits.Hits); n < found.Hits.Total.Value {
		return nil, fmt.Errorf("%s has %d monitors with changetrail in their name, of which only %d can be read; rename or delete some, so that none is created twice", x.Name(), found.Hits.Total.Value, n)
	}
	out := make(map[string]*storedMonitor)
	for _, m := range found.Hits.Hits {
		if other := out[m.Source.Name]; other != nil {
			return nil, fmt.Errorf("%s has two monitors with the name %q (%s and %s); delete one", x.Name(), m.Source.Name, other.ID, m.ID)
		}
		out[m.Source.Name] = m
	}
	return out, nil
}

// monitor creates m, or upgrades have to it.
func (x *indexer) monitor(ctx context.Context, m Monitor, have *storedMonitor) error {
	what := "monitor " + m.Name
	if have == nil {
		x.note(what, "create, disabled")
		if x.DryRun {
			return nil
		}
		return x.send(ctx, http.MethodPost, monitorsAPI, jsontext.Value(m.Body))
	}
	body, same, err := have.upgraded(m)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", x.Name(), what, err)
	}
	if same {
		x.note(what, "")
		return nil
	}
	x.note(what, "update")
	if x.DryRun {
		return nil
	}
	path := monitorsAPI + "/" + have.ID
	if have.SeqNo != nil && have.Term != nil {
		path += fmt.Sprintf("?if_seq_no=%d&if_primary_term=%d", *have.SeqNo, *have.Term)
	}
	return x.send(ctx, http.MethodPut, path, body)
}

// upgraded returns m with what people set in the stored monitor; same if that is m already.
func (have *storedMonitor) upgraded(m Monitor) (body map[string]jsontext.Value, same bool, err error) {
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return nil, false, err
	}
	var own []map[string]map[string]jsontext.Value
	if err := json.Unmarshal(body["triggers"], &own); err != nil || len(own) != 1 || own[0]["bucket_level_trigger"] == nil {
		return nil, false, fmt.Errorf("its body has no single trigger: %w", err)
	}
	var others []jsontext.Value
	for _, text := range have.Source.Triggers {
		var t monitorTrigger
		if err := json.Unmarshal(text, &t); err != nil {
			return nil, false, fmt.Errorf("the trigger %s cannot be read: %w", printable.Beginning(text, 200), err)
		}
		switch {
		case t.Bucket.ID == m.Trigger:
			return nil, true, nil
		case !strings.HasPrefix(t.Bucket.ID, ownTrigger):
			others = append(others, text)
		case t.Bucket.Actions != nil:
			own[0]["bucket_level_trigger"]["actions"] = t.Bucket.Actions
		}
	}
	first, err := json.Marshal(own[0], json.Deterministic(true))
	if err != nil {
		return nil, false, err
	}
	if body["triggers"], err = json.Marshal(append([]jsontext.Value{first}, others...)); err != nil {
		return nil, false, err
	}
	if have.Source.Schedule != nil {
		body["schedule"] = have.Source.Schedule
	}
	if have.Source.Enabled {
		body["enabled"] = jsontext.Value("true")
	}
	return body, false, nil
}
