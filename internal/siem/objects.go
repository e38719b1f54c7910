package siem

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/query"
)

// An Object is a saved object.
type Object struct {
	Type       string            `json:"type"`
	ID         string            `json:"id"`
	Attributes map[string]any    `json:"attributes"`
	References []Reference       `json:"references"`
	Versions   map[string]string `json:"migrationVersion,omitempty"`
}

// A Reference names another object.
type Reference struct {
	Name string `json:"name"`
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Options are what a company can choose.
type Options struct {
	Pages   string        // URL of the pages of changetrail, to which values lead; none if empty
	Queries []query.Saved // each becomes a saved query and a saved search over the records
}

// Titles and ids begin with these, so that people find the objects and do not confuse them with
// their own.
const (
	titlePrefix = "[changetrail] "
	idPrefix    = "changetrail-"
)

// versions are the newest formats that OpenSearch Dashboards knows. Kibana migrates them.
var versions = map[string]string{"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}

// recordsView is the view of the saved queries.
const recordsView = "records"

// A maker makes objects of a source.
type maker struct {
	*Source
	Options
	objects []Object
}

// Objects returns the saved objects of a source: data views, searches, panels, dashboards.
func (s *Source) Objects(o Options) ([]Object, error) {
	m := &maker{Source: s, Options: o}
	for _, v := range s.Views {
		if err := m.view(v); err != nil {
			return nil, err
		}
	}
	for _, q := range o.Queries {
		if err := m.query(q); err != nil {
			return nil, err
		}
	}
	for _, search := range s.Searches {
		if err := m.search(search); err != nil {
			return nil, err
		}
	}
	for _, d := range s.Dashboards {
		if err := m.dashboard(d); err != nil {
			return nil, err
		}
	}
	return m.objects, nil
}

// add adds an object. Its description ends with a digest of its content, by which [Install] sees
// whether a server has it.
func (m *maker) add(about string, o Object) error {
	if o.References == nil {
		o.References = []Reference{}
	}
	if v := versions[o.Type]; v != "" {
		o.Versions = map[string]string{o.Type: v}
	}
	o.Attributes["description"] = about
	text, err := json.Marshal(o, json.Deterministic(true))
	if err != nil {
		return err
	}
	o.Attributes["description"] = strings.TrimSpace(about + " (changetrail " + strings.TrimPrefix(digests.Of(text), "sha256:")[:12] + ")")
	m.objects = append(m.objects, o)
	return nil
}

// text returns v as JSON text, as the front ends store it within an attribute.
func text(v any) (string, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	return string(b), err
}

func viewID(id string) string { return idPrefix + "view-" + id }

func searchID(id string) string { return idPrefix + "search-" + id }

func (m *maker) view(v View) error {
	fields, err := fieldsOf(v.Mapping)
	if err != nil {
		return err
	}
	list, err := text(fields)
	if err != nil {
		return err
	}
	formats := object{}
	for field, palette := range v.Colors {
		var colors []any
		for _, value := range slices.Sorted(maps.Keys(m.Palettes[palette])) {
			colors = append(colors, object{"range": "-Infinity:Infinity", "regex": "^" + value + "$", "text": "#ffffff", "background": m.Palettes[palette][value]})
		}
		formats[field] = object{"id": "color", "params": object{"fieldType": "string", "colors": colors}}
	}
	for field, page := range v.Links {
		if pages := strings.TrimSuffix(m.Pages, "/"); pages != "" {
			formats[field] = object{"id": "url", "params": object{"type": "a", "urlTemplate": pages + pathOf[page] + "{{value}}", "labelTemplate": "{{value}}"}}
		}
	}
	format, err := text(formats)
	if err != nil {
		return err
	}
	return m.add(v.Name+" of changetrail.", Object{Type: "index-pattern", ID: viewID(v.ID), Attributes: object{
		"title": v.Pattern, "name": titlePrefix + v.Name, "timeFieldName": "@timestamp", "fields": list, "fieldFormatMap": format,
	}})
}

// pathOf are the paths of the pages to which a value leads.
var pathOf = map[string]string{"change": "/changes/", "evidence": "/evidence/"}

// query adds a saved query, and a saved search that shows what it finds.
func (m *maker) query(q query.Saved) error {
	err := m.add(q.Question, Object{Type: "query", ID: idPrefix + "query-" + q.Name, Attributes: object{"title": titlePrefix + q.Title, "query": lucene(q.Query), "filters": []any{}}})
	if err != nil {
		return err
	}
	columns := q.Columns
	if columns == nil {
		columns = query.Columns()
	}
	return m.search(Search{ID: "query-" + q.Name, View: recordsView, Title: q.Title, Question: q.Question, Query: q.Query, Columns: columns, Sort: q.Sort})
}

func lucene(q string) object { return object{"query": q, "language": "lucene"} }

// source returns what an object searches for. It needs a [Reference] to the view.
func searched(q string) (object, error) {
	const name = "kibanaSavedObjectMeta.searchSourceJSON.index"
	s, err := text(object{"query": lucene(q), "filter": []any{}, "indexRefName": name})
	return object{"searchSourceJSON": s}, err
}

func viewReference(view string) Reference {
	return Reference{"kibanaSavedObjectMeta.searchSourceJSON.index", "index-pattern", viewID(view)}
}

func (m *maker) search(s Search) error {
	meta, err := searched(s.Query)
	if err != nil {
		return err
	}
	field, order := strings.CutPrefix(s.Sort, "-")
	sort := []any{field, "asc"}
	switch {
	case s.Sort == "":
		sort = []any{"@timestamp", "desc"}
	case order:
		sort = []any{field, "desc"}
	}
	return m.add(s.Question, Object{Type: "search", ID: searchID(s.ID), References: []Reference{viewReference(s.View)}, Attributes: object{
		"title": titlePrefix + s.Title, "columns": s.Columns, "sort": []any{sort}, "hits": 0, "version": 1, "kibanaSavedObjectMeta": meta,
	}})
}

// Sizes of a dashboard.
const (
	width      = 48
	textHeight = 8
)

func (m *maker) dashboard(d Dashboard) error {
	var panels []any
	var references []Reference
	y := 0
	place := func(p Panel, typ, id string, x, w, h int) {
		i := strconv.Itoa(len(panels))
		panel := object{
			"version": "7.10.0", "gridData": object{"x": x, "y": y, "w": w, "h": h, "i": i}, "panelIndex": i, "embeddableConfig": object{}, "panelRefName": "panel_" + i,
		}
		if p.Title != "" { // without the prefix of the object's own title
			panel["title"], panel["embeddableConfig"] = p.Title, object{"title": p.Title}
		}
		panels = append(panels, panel)
		references = append(references, Reference{"panel_" + i, typ, id})
	}
	guide := idPrefix + "panel-" + d.ID + "-text"
	if err := m.markdown(guide, d); err != nil {
		return err
	}
	place(Panel{Title: "What to do"}, "visualization", guide, 0, width, textHeight)
	y += textHeight
	for _, row := range d.Rows {
		x := 0
		for i, w := range row.widths() {
			p := row.Panels[i]
			typ, id := "search", searchID(p.Search)
			if p.Search == "" {
				typ, id = "visualization", idPrefix+"panel-"+d.ID+"-"+p.ID
				if err := m.panel(id, d, p); err != nil {
					return err
				}
			}
			place(p, typ, id, x, w, row.Height)
			x += w
		}
		y += row.Height
	}
	list, err1 := text(panels)
	options, err2 := text(object{"useMargins": true, "hidePanelTitles": false})
	source, err3 := text(object{"query": lucene(""), "filter": []any{}})
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return err
		}
	}
	return m.add(d.About, Object{Type: "dashboard", ID: idPrefix + "dashboard-" + d.ID, References: references, Attributes: object{
		"title": titlePrefix + d.Title, "hits": 0, "version": 1, "timeRestore": true, "timeFrom": d.From, "timeTo": "now", "refreshInterval": object{"pause": true, "value": 0},
		"optionsJSON": options, "panelsJSON": list, "kibanaSavedObjectMeta": object{"searchSourceJSON": source},
	}})
}

// widths returns the widths of the panels of a row. Those without one share the rest.
func (r Row) widths() []int {
	left, sharing := width, 0
	for _, p := range r.Panels {
		if left -= p.Width; p.Width == 0 {
			sharing++
		}
	}
	out := make([]int, len(r.Panels))
	for i, p := range r.Panels {
		if out[i] = p.Width; p.Width == 0 {
			out[i] = left / sharing
			left, sharing = left-out[i], sharing-1
		}
	}
	return out
}

func (m *maker) markdown(id string, d Dashboard) error {
	title := titlePrefix + d.Title + ": what to do"
	state, err1 := text(object{"title": title, "type": "markdown", "params": object{"fontSize": 12, "openLinksInNewTab": false, "markdown": d.Text}, "aggs": []any{}})
	source, err2 := text(object{"query": lucene(""), "filter": []any{}})
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%s: %w", id, errors.Join(err1, err2))
	}
	return m.add(d.About, Object{Type: "visualization", ID: id, Attributes: object{"title": title, "version": 1, "uiStateJSON": "{}", "visState": state, "kibanaSavedObjectMeta": object{"searchSourceJSON": source}}})
}

func (m *maker) panel(id string, d Dashboard, p Panel) error {
	title := titlePrefix + d.Title + ": " + p.Title
	state, err := p.visState(title)
	if err != nil {
		return fmt.Errorf("dashboard %s: %w", d.ID, err)
	}
	colors := object{}
	for _, b := range p.By {
		for value, color := range m.Palettes[b.Colors] {
			colors[value] = color
		}
	}
	ui := object{}
	if len(colors) > 0 {
		ui["vis"] = object{"colors": colors}
	}
	stateText, err := text(state)
	if err != nil {
		return err
	}
	uiText, err := text(ui)
	if err != nil {
		return err
	}
	meta, err := searched(p.Query)
	if err != nil {
		return err
	}
	return m.add("", Object{
		Type: "visualization", ID: id, References: []Reference{viewReference(p.View)},
		Attributes: object{"title": title, "version": 1, "uiStateJSON": uiText, "visState": stateText, "kibanaSavedObjectMeta": meta},
	})
}

// NDJSON returns objects as the file that front ends import.
func NDJSON(objects []Object) ([]byte, error) {
	var b bytes.Buffer
	for _, o := range objects {
		line, err := json.Marshal(o, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes(), nil
}
