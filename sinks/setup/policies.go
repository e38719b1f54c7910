package setup

import (
	"fmt"
	"time"
)

// Names of the lifecycle policies.
const (
	EventsPolicy  = "changetrail-events"
	RecordsPolicy = "changetrail-records"
)

// Rollover of the data stream of events.
const (
	rolloverAge  = "30d"
	rolloverSize = "50gb"
)

// ages returns the number of days after which the backing indexes are deleted. The age counts from
// the rollover (events) or from the creation of the index (records). An index spans a month, and
// its last document must still be kept for the whole retention.
func ages(retention time.Duration) (events, records string) {
	days := int(retention / (24 * time.Hour))
	return fmt.Sprintf("%dd", days), fmt.Sprintf("%dd", days+31)
}

// ILM returns the lifecycle policies for Elasticsearch
// (https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-ilm-put-lifecycle).
func ILM(retention time.Duration) map[string]any {
	events, records := ages(retention)
	policy := func(hot map[string]any, age string) any {
		return map[string]any{"policy": map[string]any{"phases": map[string]any{
			"hot":    map[string]any{"min_age": "0ms", "actions": hot},
			"delete": map[string]any{"min_age": age, "actions": map[string]any{"delete": map[string]any{}}},
		}}}
	}
	return map[string]any{
		EventsPolicy:  policy(map[string]any{"rollover": map[string]any{"max_age": rolloverAge, "max_primary_shard_size": rolloverSize}}, events),
		RecordsPolicy: policy(map[string]any{}, records),
	}
}

// ISM returns the lifecycle policies for OpenSearch
// (https://docs.opensearch.org/latest/im-plugin/ism/policies/).
func ISM(retention time.Duration) map[string]any {
	_, aged := ages(retention) // age counts from the creation of an index, never from its rollover
	policy := func(description string, actions []any, patterns ...string) any {
		return map[string]any{"policy": map[string]any{
			"description":   description,
			"default_state": "hot",
			"states": []any{
				map[string]any{"name": "hot", "actions": actions, "transitions": []any{
					map[string]any{"state_name": "delete", "conditions": map[string]any{"min_index_age": aged}},
				}},
				map[string]any{"name": "delete", "actions": []any{map[string]any{"delete": map[string]any{}}}, "transitions": []any{}},
			},
			"ism_template": []any{map[string]any{"index_patterns": patterns, "priority": 300}},
		}}
	}
	return map[string]any{
		EventsPolicy: policy("changetrail: enriched events", []any{
			map[string]any{"rollover": map[string]any{"min_index_age": rolloverAge, "min_primary_shard_size": rolloverSize}},
		}, eventPattern),
		RecordsPolicy: policy("changetrail: change records", []any{}, recordPattern, healthPattern),
	}
}
