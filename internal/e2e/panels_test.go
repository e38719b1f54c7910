//go:build servers

package e2e

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// A state is what a front end reads of a visualization.
type state struct {
	Type string        `json:"type"`
	Aggs []aggregation `json:"aggs"`
}

type aggregation struct {
	ID     string         `json:"id"`
	Type   string         `json:"type"`
	Schema string         `json:"schema"`
	Params map[string]any `json:"params"`
}

func (a aggregation) field() string {
	f, _ := a.Params["field"].(string)
	return f
}

// buckets returns the aggregations that divide the documents, the outermost first.
func (s state) buckets() (out []aggregation) {
	for _, a := range s.Aggs {
		if a.Schema != "metric" {
			out = append(out, a)
		}
	}
	return out
}

// aggregations is what a front end sends: each bucket within the one before, the metrics in the last. Terms are
// ordered by the first metric, which then is beside them on each level.
func (s state) aggregations() map[string]any {
	inner := make(map[string]any)
	order := map[string]any{"_count": "desc"}
	if first := s.Aggs[0]; first.Type == "max" {
		order = map[string]any{first.ID: "desc"}
	}
	for _, a := range s.Aggs {
		switch a.Type {
		case "median":
			inner[a.ID] = map[string]any{"percentiles": map[string]any{"field": a.field(), "percents": []int{50}}}
		case "percentiles":
			inner[a.ID] = map[string]any{"percentiles": map[string]any{"field": a.field(), "percents": a.Params["percents"]}}
		case "avg", "max", "cardinality":
			inner[a.ID] = map[string]any{a.Type: map[string]any{"field": a.field()}}
		}
	}
	for _, a := range slices.Backward(s.buckets()) {
		var bucket map[string]any
		switch a.Type {
		case "terms":
			bucket = map[string]any{"terms": map[string]any{"field": a.field(), "size": a.Params["size"], "order": order}}
		case "date_histogram":
			bucket = map[string]any{"date_histogram": map[string]any{"field": a.field(), "calendar_interval": "1" + a.Params["interval"].(string), "min_doc_count": 1}}
		case "range":
			bucket = map[string]any{"range": map[string]any{"field": a.field(), "ranges": a.Params["ranges"]}}
		}
		bucket["aggs"] = inner
		inner = map[string]any{a.ID: bucket}
		if first := s.Aggs[0]; first.Type == "max" {
			inner[first.ID] = map[string]any{"max": map[string]any{"field": first.field()}}
		}
	}
	return inner
}

// A comparison compares what an engine computes with what the documents say.
type comparison struct {
	state  state
	wrong  []string
	shown  int             // buckets of the last level that have documents
	valued map[string]bool // metrics that have a value somewhere
}

// level compares one level of buckets, or the metrics of the last one.
func (c *comparison) level(answer map[string]any, items []item, buckets []aggregation) {
	if len(buckets) == 0 {
		if len(items) > 0 {
			c.shown++
		}
		for _, a := range c.state.Aggs {
			if a.Schema == "metric" && a.Type != "count" {
				c.metric(a, answer[a.ID], items)
			}
		}
		return
	}
	a := buckets[0]
	groups := a.divide(items)
	counts, least := 0, math.MaxInt
	for _, v := range answer[a.ID].(map[string]any)["buckets"].([]any) {
		bucket := v.(map[string]any)
		key, n := a.key(bucket), int(bucket["doc_count"].(float64))
		if len(groups[key]) != n {
			c.fail("%s %q: %d documents, want %d", a.field(), key, n, len(groups[key]))
			continue
		}
		if n > 0 {
			counts, least = counts+1, min(least, n)
		}
		c.level(bucket, groups[key], buckets[1:])
		delete(groups, key)
	}
	size := math.MaxInt
	if a.Type == "terms" {
		size = int(a.Params["size"].(float64))
	}
	for key, items := range groups {
		if counts < size || len(items) > least {
			c.fail("%s: the bucket %q with %d documents is missing", a.field(), key, len(items))
		}
	}
}

func (c *comparison) fail(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// divide groups documents as a bucket does, by the key of the bucket.
func (a aggregation) divide(items []item) map[string][]item {
	out := make(map[string][]item)
	for _, it := range items {
		keys := make(map[string]bool)
		for _, v := range it.doc.Values(a.field()) {
			switch a.Type {
			case "terms":
				keys[v] = true
			case "date_histogram":
				length := map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour}[a.Params["interval"].(string)]
				keys[time.UnixMilli(int64(numberOf(v))).UTC().Truncate(length).Format(time.RFC3339)] = true
			case "range":
				for _, r := range a.Params["ranges"].([]any) {
					if from, to := limits(r); numberOf(v) >= from && numberOf(v) < to {
						keys[rangeKey(from)] = true
					}
				}
			}
		}
		for key := range keys {
			out[key] = append(out[key], it)
		}
	}
	return out
}

// key returns the key of a bucket in an answer, as divide does.
func (a aggregation) key(bucket map[string]any) string {
	switch a.Type {
	case "date_histogram":
		return time.UnixMilli(int64(bucket["key"].(float64))).UTC().Format(time.RFC3339)
	case "range":
		from, _ := limits(bucket)
		return rangeKey(from)
	}
	return bucket["key"].(string)
}

func limits(r any) (from, to float64) {
	from, _ = r.(map[string]any)["from"].(float64)
	to, bounded := r.(map[string]any)["to"].(float64)
	if !bounded {
		to = math.Inf(1)
	}
	return from, to
}

func rangeKey(from float64) string { return strconv.FormatFloat(from, 'g', -1, 64) }

// numberOf returns a number, or a time in milliseconds.
func numberOf(v string) float64 {
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		return n
	}
	at, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return math.NaN()
	}
	return float64(at.UnixMilli())
}

// metric compares a metric of one bucket. Percentiles are estimates of the engines: each must lie near its
// rank among the values.
func (c *comparison) metric(a aggregation, answer any, items []item) {
	var values []float64
	distinct := make(map[string]bool)
	for _, it := range items {
		for _, v := range it.doc.Values(a.field()) {
			distinct[v] = true
			values = append(values, numberOf(v))
		}
	}
	slices.Sort(values)
	got, known := valueOf(answer)
	switch {
	case a.Type == "cardinality":
		if math.Abs(got-float64(len(distinct))) > 0.02*float64(len(distinct)) {
			c.fail("%s: %v distinct values, want %d", a.field(), got, len(distinct))
		}
	case known != (len(values) > 0):
		c.fail("%s of %s: %v of %d values", a.Type, a.field(), answer, len(values))
		return
	case !known:
		return
	case a.Type == "max":
		if want := values[len(values)-1]; math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
			c.fail("max of %s: %v, want %v", a.field(), got, want)
		}
	default:
		percent := 50.0
		if list, is := a.Params["percents"].([]any); is {
			percent = list[0].(float64)
		}
		rank, slack := percent/100*float64(len(values)-1), 1+float64(len(values))/50
		low, high := values[int(max(0, rank-slack))], values[int(min(float64(len(values)-1), math.Ceil(rank+slack)))]
		if got < low-1e-6 || got > high+1e-6 {
			c.fail("%v %% of %s: %v, want %v to %v", percent, a.field(), got, low, high)
		}
	}
	if c.valued == nil {
		c.valued = make(map[string]bool)
	}
	c.valued[a.ID] = true
}

// valueOf returns the value of a metric; false if it has none.
func valueOf(answer any) (float64, bool) {
	m, _ := answer.(map[string]any)
	if list, is := m["values"].(map[string]any); is {
		for _, v := range list {
			n, is := v.(float64)
			return n, is
		}
	}
	n, is := m["value"].(float64)
	return n, is
}
