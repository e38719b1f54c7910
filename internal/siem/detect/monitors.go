package detect

import (
	"fmt"
	"strings"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/schemas"
)

type object = map[string]any

// A Monitor is a monitor of OpenSearch Alerting, ready to be posted to
// _plugins/_alerting/monitors. Monitors have no ids of their own choice: the name is what stays.
type Monitor struct {
	Name    string
	Trigger string // id of its trigger, another one for each version
	Body    []byte
}

// MaxBuckets is the most alerts that one run of a monitor can raise.
const MaxBuckets = 1000

// Monitors returns a monitor for each rule, all disabled. Each counts by a key, usually the change,
// and keeps one alert for a key as long as it is found: a change that is looked at again raises no
// second alert.
func Monitors(rules []Rule, o Options) ([]Monitor, error) {
	out := make([]Monitor, len(rules))
	for i := range rules {
		r := &rules[i]
		m, err := r.encodedMonitor(o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.File, err)
		}
		out[i] = m
	}
	return out, nil
}

// encodedMonitor returns the monitor of a rule. The id of its trigger is a digest of the rest: whoever finds a
// monitor of the same name sees from it whether it is this version.
func (r *Rule) encodedMonitor(o Options) (Monitor, error) {
	m := Monitor{Name: "changetrail: " + r.Title}
	text, err := schemas.Encode(r.monitor(m.Name, "", o))
	if err != nil {
		return m, err
	}
	m.Trigger = "changetrail-" + strings.TrimPrefix(digests.Of(text), "sha256:")[:12]
	m.Body, err = schemas.Encode(r.monitor(m.Name, m.Trigger, o))
	return m, err
}

func (r *Rule) monitor(name, trigger string, o Options) object {
	key, least := r.Key()
	search := object{
		"size":         0,
		"query":        object{"bool": object{"filter": []any{query.DSL(r.Where), r.window()}}},
		"aggregations": object{"by_key": object{"composite": object{"size": MaxBuckets, "sources": []any{object{"key": object{"terms": object{"field": key}}}}}}},
	}
	return object{
		"type": "monitor", "name": name, "monitor_type": "bucket_level_monitor", "enabled": false,
		"schedule": object{"period": object{"interval": int(interval.Minutes()), "unit": "MINUTES"}},
		"inputs":   []any{object{"search": object{"indices": []string{o.index(r)}, "query": search}}},
		"triggers": []any{object{"bucket_level_trigger": object{
			"id": trigger, "name": r.Title, "severity": monitorSeverities[r.Level], "actions": []any{},
			"condition": object{
				"parent_bucket_path": "by_key", "buckets_path": object{"_count": "_count"},
				"script": object{"lang": "painless", "source": fmt.Sprintf("params._count >= %d", least)},
			},
		}}},
	}
}

// monitorSeverities are the severities of triggers, 1 being the highest.
var monitorSeverities = map[string]string{"critical": "1", "high": "2", "medium": "3", "low": "4", "informational": "5"}

// Key returns the field by which a monitor counts, and how many documents of one value are too many.
func (r *Rule) Key() (field string, least int) {
	switch {
	case r.Threshold != nil:
		return r.Threshold.GroupBy, r.Threshold.AtLeast
	case r.Source.Category == Events:
		return "changetrail.repository", 1 // an event may name no change
	case r.Source.Category == Health:
		return "changetrail.health.name", 1
	}
	return "changetrail.change.id", 1
}

// window returns the condition that a document is new enough. The monitor fills in period_end.
func (r *Rule) window() object {
	return object{"range": object{r.TimeField(): object{
		"gte": "{{period_end}}||-" + short(r.back()), "lte": "{{period_end}}", "format": "epoch_millis",
	}}}
}

// baseName returns the name of the file of a rule, without its ending.
func (r *Rule) baseName() string { return strings.TrimSuffix(r.File, ".yml") }
