package siem_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/demo"
	"github.com/changetrail/changetrail/internal/siem"
	"github.com/changetrail/changetrail/query"
)

// objects are those of the demo's control matrix, with links.
func objects(t *testing.T) []siem.Object {
	t.Helper()
	saved, err := query.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	matrix, err := controls.Parse(demo.Controls())
	if err != nil {
		t.Fatal(err)
	}
	source, err := siem.Read()
	if err != nil {
		t.Fatal(err)
	}
	out, err := source.Objects(siem.Options{Pages: "https://trail.example.com/", Queries: append(saved, query.OfControls(matrix.Resolved())...)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attributes are those that OpenSearch Dashboards 2 accepts, whose mapping is strict, and the version
// that it knows. A newer one, or an unknown attribute, makes it refuse the object or the whole file.
var attributes = map[string]struct {
	names   []string
	version string
}{
	"index-pattern": {[]string{"title", "name", "description", "timeFieldName", "fields", "fieldFormatMap"}, "7.6.0"},
	"search":        {[]string{"columns", "description", "hits", "kibanaSavedObjectMeta", "sort", "title", "version"}, "7.9.3"},
	"visualization": {[]string{"title", "description", "version", "uiStateJSON", "visState", "kibanaSavedObjectMeta"}, "7.10.0"},
	"dashboard":     {[]string{"title", "description", "hits", "version", "timeRestore", "timeFrom", "timeTo", "refreshInterval", "optionsJSON", "panelsJSON", "kibanaSavedObjectMeta"}, "7.9.3"},
	"query":         {[]string{"title", "description", "query", "filters"}, ""},
}

func TestEachObjectIsOneThatBothFrontEndsAccept(t *testing.T) {
	seen, titles := make(map[string]bool), make(map[string]bool)
	all := objects(t)
	for _, o := range all {
		id := o.Type + " " + o.ID
		allowed, known := attributes[o.Type]
		if !known {
			t.Errorf("%s: the type is not one that both have", id)
		}
		for name := range o.Attributes {
			if !slices.Contains(allowed.names, name) {
				t.Errorf("%s: attribute %s is not one that both accept", id, name)
			}
		}
		if len(o.Versions) != min(1, len(allowed.version)) || o.Versions[o.Type] != allowed.version {
			t.Errorf("%s: versions %v, want %q", id, o.Versions, allowed.version)
		}
		title, _ := o.Attributes["title"].(string)
		if o.Type != "index-pattern" && !strings.HasPrefix(title, "[changetrail] ") || !strings.HasPrefix(o.ID, "changetrail-") {
			t.Errorf("%s: title %q", id, title)
		}
		if seen[id] || titles[o.Type+title] {
			t.Errorf("%s or its title %q is there twice", id, title)
		}
		seen[id], titles[o.Type+title] = true, true
	}
	for _, o := range all {
		for _, r := range o.References {
			if !seen[r.Type+" "+r.ID] {
				t.Errorf("%s refers to %s %s, which is not there", o.ID, r.Type, r.ID)
			}
		}
	}
	checkEmbedded(t, all)
}

// checkEmbedded checks the JSON texts within attributes, and that each name of a reference in them is
// one of the object's.
func checkEmbedded(t *testing.T, all []siem.Object) {
	t.Helper()
	named := regexp.MustCompile(`"(?:indexRefName|panelRefName|savedSearchRefName)":"([^"]+)"`)
	for _, o := range all {
		used := make(map[string]bool)
		for name, v := range flat(o.Attributes) {
			text, is := v.(string)
			if !is || !strings.HasSuffix(name, "JSON") && !slices.Contains([]string{"visState", "fields", "fieldFormatMap"}, name) {
				continue
			}
			if !json.Valid([]byte(text)) {
				t.Errorf("%s: %s is not JSON", o.ID, name)
			}
			for _, m := range named.FindAllStringSubmatch(text, -1) {
				used[m[1]] = true
			}
		}
		for _, r := range o.References {
			if !used[r.Name] {
				t.Errorf("%s: nothing uses the reference %s", o.ID, r.Name)
			}
			delete(used, r.Name)
		}
		for name := range used {
			t.Errorf("%s: there is no reference %s", o.ID, name)
		}
	}
}

// flat returns attributes with those within objects.
func flat(attributes map[string]any) map[string]any {
	out := make(map[string]any)
	for name, v := range attributes {
		out[name] = v
		if inner, is := v.(map[string]any); is {
			for name, v := range inner {
				out[name] = v
			}
		}
	}
	return out
}

// A view is a data view as it stands in a file.
type view struct {
	title  string
	fields map[string]siem.Field
}

func views(t *testing.T, all []siem.Object) map[string]view {
	t.Helper()
	out := make(map[string]view)
	for _, o := range all {
		if o.Type != "index-pattern" {
			continue
		}
		var list []siem.Field
		parse(t, o.Attributes["fields"], &list)
		v := view{o.Attributes["title"].(string), make(map[string]siem.Field)}
		for _, f := range list {
			v.fields[f.Name] = f
		}
		out[o.ID] = v
		var formats map[string]any
		parse(t, o.Attributes["fieldFormatMap"], &formats)
		for name := range formats {
			if _, known := v.fields[name]; !known {
				t.Errorf("%s: a format of the field %s, which is not there", o.ID, name)
			}
		}
	}
	return out
}

func parse(t *testing.T, text, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text.(string)), to); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// A state is the part of a visualization that names fields.
type state struct {
	Type string
	Aggs []struct {
		Type   string
		Schema string
		Params struct{ Field string }
	}
}

// A source is what an object searches for.
type source struct {
	Query struct{ Query, Language string }
}

// TestEachFieldThatIsUsedIsThere: in columns, sorts, aggregations and queries, and of the right kind.
func TestEachFieldThatIsUsedIsThere(t *testing.T) {
	all := objects(t)
	known := views(t, all)
	for _, o := range all {
		var of view
		for _, r := range o.References {
			if r.Type == "index-pattern" {
				of = known[r.ID]
			}
		}
		aggregated := func(name, why string) {
			if f, is := of.fields[name]; !is || !f.Aggregatable || f.SubType != nil {
				t.Errorf("%s: %s by %s, which the engines cannot", o.ID, why, name)
			}
		}
		switch o.Type {
		case "search":
			for _, name := range o.Attributes["columns"].([]string) {
				if _, is := of.fields[name]; !is {
					t.Errorf("%s: there is no field %s", o.ID, name)
				}
			}
			aggregated(o.Attributes["sort"].([]any)[0].([]any)[0].(string), "it sorts")
		case "visualization":
			var s state
			parse(t, o.Attributes["visState"], &s)
			if visState := o.Attributes["visState"].(string); strings.Contains(visState, ":null") {
				t.Errorf("%s: both front ends fail where a range has a limit that is null: %s", o.ID, visState)
			}
			for _, a := range s.Aggs {
				if a.Type != "count" {
					aggregated(a.Params.Field, a.Type)
				}
			}
		}
		if meta, is := o.Attributes["kibanaSavedObjectMeta"].(map[string]any); is && of.fields != nil {
			var s source
			parse(t, meta["searchSourceJSON"], &s)
			checkQuery(t, o.ID, s.Query.Query, of)
			if s.Query.Language != "lucene" {
				t.Errorf("%s: language %s", o.ID, s.Query.Language)
			}
		}
	}
}

// checkQuery reads a query as changetrail does, which refuses fields that are not there.
func checkQuery(t *testing.T, id, text string, of view) {
	t.Helper()
	fields := make(query.Fields)
	kinds := map[string]query.Kind{"keyword": query.Keyword, "text": query.Text, "date": query.Date, "long": query.Number, "float": query.Number, "boolean": query.Boolean}
	for name, f := range of.fields {
		if f.Searchable && f.SubType == nil && len(f.ESTypes) == 1 {
			fields[name] = query.Field{Name: name, Kind: kinds[f.ESTypes[0]]}
		}
	}
	if _, err := query.Parse(text, fields, time.Now()); err != nil {
		t.Errorf("%s: %s: %v", id, text, err)
	}
}

// TestDashboards: each fills the grid without an overlap, begins with what to do, and ends in a list.
func TestDashboards(t *testing.T) {
	n := 0
	for _, o := range objects(t) {
		if o.Type != "dashboard" {
			continue
		}
		n++
		var panels []struct {
			GridData     struct{ X, Y, W, H int }
			PanelRefName string
		}
		parse(t, o.Attributes["panelsJSON"], &panels)
		taken := make(map[[2]int]int)
		for i, p := range panels {
			g := p.GridData
			if g.X < 0 || g.W < 8 || g.H < 6 || g.X+g.W > 48 {
				t.Errorf("%s: panel %d is at %+v", o.ID, i, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, is := taken[[2]int{x, y}]; is {
						t.Fatalf("%s: panels %d and %d overlap", o.ID, other, i)
					}
					taken[[2]int{x, y}] = i
				}
			}
		}
		if !strings.HasSuffix(o.References[0].ID, "-text") || o.References[len(panels)-1].Type != "search" {
			t.Errorf("%s begins with %s and ends with %s", o.ID, o.References[0].ID, o.References[len(panels)-1].ID)
		}
		if from := o.Attributes["timeFrom"].(string); !strings.HasPrefix(from, "now-") || o.Attributes["timeRestore"] != true {
			t.Errorf("%s begins at %s", o.ID, from)
		}
	}
	if n < 5 {
		t.Errorf("%d dashboards", n)
	}
}

// TestLinksAreMadeWhereThePagesAreKnown, and only there.
func TestLinksAreMadeWhereThePagesAreKnown(t *testing.T) {
	source, err := siem.Read()
	if err != nil {
		t.Fatal(err)
	}
	for pages, want := range map[string]int{"": 0, "https://trail.example.com": 4} {
		all, err := source.Objects(siem.Options{Pages: pages})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, o := range all {
			if o.Type == "index-pattern" {
				got += strings.Count(o.Attributes["fieldFormatMap"].(string), `"urlTemplate":"https://trail.example.com/`)
			}
		}
		if got != want {
			t.Errorf("%q: %d links, want %d", pages, got, want)
		}
	}
}

// TestADataViewHasAllFieldsOfItsDocuments: those of the search language, and those that are stored.
func TestADataViewHasAllFieldsOfItsDocuments(t *testing.T) {
	columns, err := query.RecordColumns()
	if err != nil {
		t.Fatal(err)
	}
	searched, err := query.RecordFields()
	if err != nil {
		t.Fatal(err)
	}
	have := views(t, objects(t))["changetrail-view-records"].fields
	for name, f := range searched {
		got, is := have[name]
		if !is || !got.Searchable || (got.SubType != nil) != (f.Nested != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name := range have {
		if _, is := columns[name]; !is && !strings.HasPrefix(name, "_") {
			t.Errorf("%s is no field of a record", name)
		}
	}
}
