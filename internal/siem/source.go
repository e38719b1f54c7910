package siem

import (
	"fmt"
	"io/fs"

	siemfiles "github.com/changetrail/changetrail/deploy/siem"
	"github.com/changetrail/changetrail/internal/strictyaml"
)

// A Source is what the files in deploy/siem/dashboards say.
type Source struct {
	Palettes   map[string]map[string]string `yaml:"palettes"` // value → color
	Views      []View                       `yaml:"views"`
	Searches   []Search                     `yaml:"searches"`
	Dashboards []Dashboard                  `yaml:"dashboards"`
}

// A View is a data view (an index pattern).
type View struct {
	ID      string            `yaml:"id"`
	Mapping string            `yaml:"mapping"` // of package schemas
	Pattern string            `yaml:"pattern"`
	Name    string            `yaml:"name"`
	Links   map[string]string `yaml:"links"`  // field → page of changetrail: change or evidence
	Colors  map[string]string `yaml:"colors"` // field → palette
}

// A Search is a saved search.
type Search struct {
	ID       string   `yaml:"id"`
	View     string   `yaml:"view"`
	Title    string   `yaml:"title"`
	Question string   `yaml:"question"`
	Query    string   `yaml:"query"` // in Lucene's syntax
	Columns  []string `yaml:"columns"`
	Sort     string   `yaml:"sort"` // a field, with a minus for descending; -@timestamp if empty
}

// A Dashboard begins with a text and has rows of panels.
type Dashboard struct {
	ID    string `yaml:"id"`
	Title string `yaml:"title"`
	About string `yaml:"about"`
	From  string `yaml:"from"` // start of its time, relative to now
	Text  string `yaml:"text"` // Markdown
	Rows  []Row  `yaml:"rows"`
}

// A Row is panels side by side. Those without a width share what the others leave.
type Row struct {
	Height int     `yaml:"height"`
	Panels []Panel `yaml:"panels"`
}

// A Panel is a visualization, or the list of a saved search.
type Panel struct {
	ID      string   `yaml:"id"`
	Search  string   `yaml:"search"` // id of a saved search; then nothing else but the width is set
	Title   string   `yaml:"title"`
	Kind    string   `yaml:"kind"` // metric, bar, hbar, percent, line, pie or table
	View    string   `yaml:"view"`
	Query   string   `yaml:"query"`
	Metrics []Metric `yaml:"metrics"`
	By      []Bucket `yaml:"by"`
	Width   int      `yaml:"width"`
}

// A Metric is a number of each bucket.
type Metric struct {
	Of      string  `yaml:"of"` // count, avg, max, median, percentile or cardinality
	Field   string  `yaml:"field"`
	Percent float64 `yaml:"percent"` // of a percentile
	Label   string  `yaml:"label"`
}

// A Bucket divides the documents: by the values of a field, by time, or by ranges of a number.
type Bucket struct {
	Terms    string    `yaml:"terms"`
	Size     int       `yaml:"size"`
	Date     string    `yaml:"date"`
	Interval string    `yaml:"interval"`
	Ranges   []float64 `yaml:"ranges"` // limits of adjoining ranges; the last one is open
	Field    string    `yaml:"field"`  // of the ranges
	Label    string    `yaml:"label"`
	Colors   string    `yaml:"colors"` // palette of the values
}

// field is the field by which b divides.
func (b Bucket) field() string {
	for _, f := range []string{b.Terms, b.Date, b.Field} {
		if f != "" {
			return f
		}
	}
	return ""
}

// Read returns the source that is part of changetrail.
func Read() (*Source, error) {
	s := new(Source)
	for _, name := range []string{"views.yaml", "searches.yaml", "dashboards.yaml"} {
		text, err := fs.ReadFile(siemfiles.Dashboards(), name)
		if err != nil {
			return nil, err
		}
		if err := strictyaml.Decode(text, s); err != nil {
			return nil, fmt.Errorf("deploy/siem/dashboards/%s: %w", name, err)
		}
	}
	return s, nil
}
