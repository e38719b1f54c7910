package siem

import (
	"fmt"
	"strconv"
)

type object = map[string]any

// visualizations are the types of visualizations, by the kinds of panels.
var visualizations = map[string]string{
	"metric": "metric", "bar": "histogram", "hbar": "horizontal_bar", "percent": "histogram", "line": "line", "pie": "pie", "table": "table",
}

// visState returns the state of a visualization, as OpenSearch Dashboards 2 and Kibana 7 write it.
func (p Panel) visState(title string) (object, error) {
	aggs, err := p.aggs()
	if err != nil {
		return nil, err
	}
	typ := visualizations[p.Kind]
	if typ == "" {
		return nil, fmt.Errorf("panel %s: there is no kind %q", p.ID, p.Kind)
	}
	var params object
	switch p.Kind {
	case "metric":
		params = metricParams()
	case "table":
		params = object{"perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false, "totalFunc": "sum", "percentageCol": ""}
	case "pie":
		params = object{
			"type": "pie", "addTooltip": true, "addLegend": true, "legendPosition": "right", "isDonut": true,
			"labels": object{"show": true, "values": true, "last_level": true, "truncate": 100},
		}
	default:
		params = p.axes()
	}
	return object{"title": title, "type": typ, "params": params, "aggs": aggs}, nil
}

func metricParams() object {
	return object{"addTooltip": true, "addLegend": false, "type": "metric", "metric": object{
		"percentageMode": false, "useRanges": false, "colorSchema": "Green to Red", "metricColorMode": "None", "colorsRange": []any{object{"from": 0, "to": 10000}},
		"labels": object{"show": true}, "invertColors": false,
		"style": object{"bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "", "fontSize": 32},
	}}
}

// axes returns the parameters of a chart with two axes.
func (p Panel) axes() object {
	typ, mode, scale := "histogram", "stacked", "normal"
	category, value, rotate := "bottom", "left", 0
	switch p.Kind {
	case "line":
		typ, mode = "line", "normal"
	case "hbar":
		category, value = "left", "bottom"
	case "percent":
		scale = "percentage"
	}
	name := "LeftAxis-1"
	if value == "bottom" {
		name = "BottomAxis-1"
	}
	var series []any
	for i, m := range p.Metrics {
		series = append(series, object{
			"show": true, "type": typ, "mode": mode, "data": object{"label": m.label(), "id": strconv.Itoa(i + 1)}, "valueAxis": "ValueAxis-1",
			"drawLinesBetweenPoints": true, "lineWidth": 2, "showCircles": true, "interpolate": "linear",
		})
	}
	title := "" // of the axis; several metrics have a legend
	if len(p.Metrics) == 1 {
		title = p.Metrics[0].label()
	}
	return object{
		"type": visualizations[p.Kind], "grid": object{"categoryLines": false}, "addTooltip": true, "addLegend": len(p.By) > 1 || len(p.Metrics) > 1, "legendPosition": "right",
		"times": []any{}, "addTimeMarker": false, "labels": object{"show": false}, "thresholdLine": object{"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
		"categoryAxes": []any{object{
			"id": "CategoryAxis-1", "type": "category", "position": category, "show": true, "style": object{}, "scale": object{"type": "linear"},
			"labels": object{"show": true, "filter": p.Kind != "hbar", "truncate": 200, "rotate": rotate}, "title": object{},
		}},
		"valueAxes": []any{object{
			"id": "ValueAxis-1", "name": name, "type": "value", "position": value, "show": true, "style": object{}, "scale": object{"type": "linear", "mode": scale},
			"labels": object{"show": true, "rotate": 0, "filter": true, "truncate": 100}, "title": object{"text": title},
		}},
		"seriesParams": series,
	}
}

func (m Metric) label() string {
	if m.Label != "" {
		return m.Label
	}
	return "Count"
}

// aggs returns the aggregations: the metrics, and then those that divide them into groups.
func (p Panel) aggs() ([]any, error) {
	var out []any
	if len(p.Metrics) == 0 {
		return nil, fmt.Errorf("panel %s: it has no metric", p.ID)
	}
	for _, m := range p.Metrics {
		agg, err := m.agg()
		if err != nil {
			return nil, fmt.Errorf("panel %s: %w", p.ID, err)
		}
		agg["id"], agg["enabled"], agg["schema"] = strconv.Itoa(len(out)+1), true, "metric"
		out = append(out, agg)
	}
	for i, b := range p.By {
		agg, err := b.agg()
		if err != nil {
			return nil, fmt.Errorf("panel %s: %w", p.ID, err)
		}
		schema := "segment"
		switch {
		case p.Kind == "table":
			schema = "bucket"
		case p.Kind == "metric", p.Kind != "pie" && i > 0:
			schema = "group"
		}
		agg["id"], agg["enabled"], agg["schema"] = strconv.Itoa(len(out)+1), true, schema
		out = append(out, agg)
	}
	return out, nil
}

func (m Metric) agg() (object, error) {
	params := object{}
	if m.Label != "" {
		params["customLabel"] = m.Label
	}
	typ := m.Of
	switch m.Of {
	case "count":
		return object{"type": typ, "params": params}, nil
	case "avg", "max", "cardinality", "median":
	case "percentile":
		typ, params["percents"] = "percentiles", []any{m.Percent}
	default:
		return nil, fmt.Errorf("there is no metric %q", m.Of)
	}
	params["field"] = m.Field
	return object{"type": typ, "params": params}, nil
}

func (b Bucket) agg() (object, error) {
	params := object{"field": b.field()}
	if b.Label != "" {
		params["customLabel"] = b.Label
	}
	switch {
	case b.Terms != "":
		params["orderBy"], params["order"], params["size"] = "1", "desc", b.Size
		params["otherBucket"], params["otherBucketLabel"], params["missingBucket"], params["missingBucketLabel"] = false, "Other", false, "Missing"
		return object{"type": "terms", "params": params}, nil
	case b.Date != "":
		params["interval"], params["min_doc_count"], params["extended_bounds"], params["drop_partials"] = b.Interval, 1, object{}, false
		return object{"type": "date_histogram", "params": params}, nil
	case len(b.Ranges) > 1:
		var ranges []any
		for i, from := range b.Ranges {
			r := object{"from": from} // no limit is no member: the front ends find the range of a bucket by equal members
			if i+1 < len(b.Ranges) {
				r["to"] = b.Ranges[i+1]
			}
			ranges = append(ranges, r)
		}
		params["ranges"] = ranges
		return object{"type": "range", "params": params}, nil
	}
	return nil, fmt.Errorf("a bucket has neither terms nor date nor ranges")
}
