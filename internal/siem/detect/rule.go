package detect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/strictyaml"
	"github.com/changetrail/changetrail/query"
)

// A Rule is one detection.
type Rule struct {
	File           string // name of the Sigma file
	ID             string // a UUID, which is also the id of the rule in products
	Title          string
	Description    string
	Author         string
	Status         string
	Level          string // informational, low, medium, high or critical
	Date           string
	References     []string
	Tags           []string // techniques and tactics of ATT&CK (attack.t1195.002), controls (pci-dss.6.3.2)
	FalsePositives []string
	Fields         []string // the fields that an analyst looks at first
	Investigation  string   // Markdown: what to look at, step by step
	Source         Source
	Where          query.Node
	Threshold      *Threshold // nil: each document is a hit

	file []byte // the whole text
	text []byte // of the Sigma document that Where was read from
}

// A Threshold is how many documents with the same value of a field make a hit, within a span of time.
type Threshold struct {
	GroupBy string
	AtLeast int
	Within  time.Duration
}

// A Source is one of the indexes.
type Source struct {
	Category string // of the Sigma log source
	Document string // as package schemas names it
	fields   query.Fields
}

// The log sources of the rules. All have the product changetrail.
const (
	product  = "changetrail"
	Records  = "records"
	Events   = "events"
	Findings = "findings"
	Health   = "health" // of the pipeline
)

func source(category string) (s Source, err error) {
	documents := map[string]string{Records: "record", Events: "event", Findings: "finding", Health: "health"}
	s = Source{Category: category, Document: documents[category]}
	if s.Document == "" {
		return s, fmt.Errorf("there is no category %q; use records, events, findings or health", category)
	}
	s.fields, err = query.FieldsOf(s.Document)
	return s, err
}

// Load reads all rules of a folder, in the order of their file names.
func Load(folder fs.FS) ([]Rule, error) {
	names, err := fs.Glob(folder, "*.yml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there are no Sigma rules (*.yml) in the folder")
	}
	var rules []Rule
	var errs []error
	seen := make(map[string]string)
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		r, err := Parse(text)
		if err != nil {
			errs = append(errs, mistake.In(name, err))
			continue
		}
		r.File, r.file = name, text
		for _, unique := range []string{r.ID, r.Title} {
			if other := seen[unique]; other != "" {
				errs = append(errs, fmt.Errorf("%s: %s has the same id or title: %s", name, other, unique))
			}
			seen[unique] = name
		}
		rules = append(rules, *r)
	}
	return rules, errors.Join(errs...)
}

// A document is one YAML document of a Sigma file.
type document struct {
	Title          string      `yaml:"title"`
	Name           string      `yaml:"name"` // the name under which a correlation refers to it
	ID             string      `yaml:"id"`
	Status         string      `yaml:"status"`
	Description    string      `yaml:"description"`
	References     []string    `yaml:"references"`
	Author         string      `yaml:"author"`
	Date           string      `yaml:"date"`
	Tags           []string    `yaml:"tags"`
	Logsource      logsource   `yaml:"logsource"`
	Detection      yaml.Node   `yaml:"detection"`
	Correlation    correlation `yaml:"correlation"`
	Fields         []string    `yaml:"fields"`
	FalsePositives []string    `yaml:"falsepositives"`
	Level          string      `yaml:"level"`
	Investigation  string      `yaml:"x-investigation"`

	text []byte
}

type logsource struct {
	Product  string `yaml:"product"`
	Category string `yaml:"category"`
}

type correlation struct {
	Type      string         `yaml:"type"`
	Rules     []string       `yaml:"rules"`
	GroupBy   []string       `yaml:"group-by"`
	Timespan  string         `yaml:"timespan"`
	Condition map[string]int `yaml:"condition"`
}

// Parse reads a Sigma file: a rule, or a rule and an event_count correlation of it. All errors are
// about the text of the file.
func Parse(text []byte) (*Rule, error) {
	documents, err := split(text)
	if err != nil {
		return nil, err
	}
	first := documents[0]
	switch len(documents) {
	case 1:
		return first.rule()
	case 2:
		return documents[1].threshold(first)
	}
	return nil, fmt.Errorf("there are %d documents; a file has one rule, or a rule and its correlation", len(documents))
}

// split reads the documents of a file. Each is padded with empty lines in place of those before it, so
// that mistakes are reported with their line in the file.
func split(text []byte) ([]document, error) {
	var out []document
	for start := 0; start <= len(text); {
		end, next := len(text), len(text)+1
		if i := bytes.Index(text[start:], []byte("\n---\n")); i >= 0 {
			end, next = start+i+1, start+i+len("\n---\n")
		}
		d := document{text: text[start:end]}
		padded := slices.Concat(bytes.Repeat([]byte("\n"), bytes.Count(text[:start], []byte("\n"))), d.text)
		if err := strictyaml.Decode(padded, &d); err != nil {
			return nil, err
		}
		out = append(out, d)
		start = next
	}
	return out, nil
}

// rule reads a document without a correlation.
func (d *document) rule() (*Rule, error) {
	r, err := d.described()
	if err != nil {
		return nil, err
	}
	return r, d.detect(r)
}

// detect reads the log source and the detection into r.
func (d *document) detect(r *Rule) (err error) {
	r.text = d.text
	if d.Correlation.Type != "" {
		return errors.New("a correlation is the second document of a file, after the rule that it counts")
	}
	if d.Logsource.Product != product {
		return fmt.Errorf("the product of the log source is %q, not %s", d.Logsource.Product, product)
	}
	if r.Source, err = source(d.Logsource.Category); err != nil {
		return err
	}
	if r.Where, err = readDetection(&d.Detection, r.Source.fields); err != nil {
		return err
	}
	for _, name := range r.Fields {
		if _, ok := r.Source.fields[name]; !ok {
			return fmt.Errorf("fields: %s", r.Source.fields.Unknown(name))
		}
	}
	return nil
}

// threshold reads a correlation of the rule in base.
func (d *document) threshold(base document) (*Rule, error) {
	r, err := d.described()
	if err != nil {
		return nil, err
	}
	c := d.Correlation
	switch {
	case c.Type != "event_count":
		return nil, fmt.Errorf("the type of the correlation is %q; only event_count is read", c.Type)
	case base.Name == "" || !slices.Equal(c.Rules, []string{base.Name}):
		return nil, fmt.Errorf("the correlation counts the rules %q; it must count the one rule of its file, by its name", c.Rules)
	case len(c.GroupBy) != 1:
		return nil, errors.New("the correlation needs one field in group-by")
	case len(c.Condition) != 1 || c.Condition["gte"] < 2:
		return nil, errors.New("the condition of the correlation must be gte, and at least 2")
	case !d.Detection.IsZero():
		return nil, errors.New("a document has a detection or a correlation, not both")
	}
	within, err := timespan(c.Timespan)
	if err != nil {
		return nil, err
	}
	if err := base.detect(r); err != nil {
		return nil, err
	}
	by, ok := r.Source.fields[c.GroupBy[0]]
	switch {
	case !ok:
		return nil, fmt.Errorf("group-by: %s", r.Source.fields.Unknown(c.GroupBy[0]))
	case by.Kind != query.Keyword || by.Nested != "":
		return nil, fmt.Errorf("group-by: %s cannot be counted by value", by.Name)
	}
	r.Threshold = &Threshold{GroupBy: by.Name, AtLeast: c.Condition["gte"], Within: within}
	return r, nil
}

// timespan reads a time such as 15m, 6h or 1d.
func timespan(s string) (time.Duration, error) {
	var n int
	var unit string
	units := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	if _, err := fmt.Sscanf(s, "%d%s", &n, &unit); err != nil || units[unit] == 0 || n < 1 || n > 1000 {
		return 0, fmt.Errorf("timespan %q: write a number and m, h or d, for example 15m", s)
	}
	return time.Duration(n) * units[unit], nil
}

var (
	uuid      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	titleForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 '-]{4,99}$`) // Security Analytics allows few other characters
	dateForm  = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	tagForm   = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	statuses  = []string{"stable", "test", "experimental"}
)

// described reads the description of a rule.
func (d *document) described() (*Rule, error) {
	r := &Rule{
		ID: d.ID, Title: d.Title, Description: strings.TrimSpace(d.Description), Author: d.Author, Status: d.Status, Level: d.Level, Date: d.Date,
		References: d.References, Tags: d.Tags, FalsePositives: d.FalsePositives, Fields: d.Fields, Investigation: strings.TrimSpace(d.Investigation),
	}
	var errs []error
	wrong := func(bad bool, key, format string, args ...any) {
		if bad {
			errs = append(errs, mistake.At(key, key+": "+format, args...))
		}
	}
	wrong(!uuid.MatchString(d.ID), "id", "%q is not a UUID in lower case", d.ID)
	wrong(!titleForm.MatchString(d.Title), "title", "%q must have 5 to 100 letters, digits, spaces, dashes and apostrophes, a letter first", d.Title)
	wrong(!dateForm.MatchString(d.Date), "date", "%q is not a day such as 2026-11-30", d.Date)
	wrong(!slices.Contains(statuses, d.Status), "status", "%q is none of %s", d.Status, strings.Join(statuses, ", "))
	wrong(severities[d.Level] == 0, "level", "%q is none of informational, low, medium, high, critical", d.Level)
	wrong(r.Description == "", "description", "it is missing")
	wrong(d.Author == "", "author", "it is missing")
	wrong(r.Investigation == "", "x-investigation", "it is missing: say who asks what next")
	wrong(len(d.FalsePositives) == 0, "falsepositives", "there are none; say when a hit is harmless")
	wrong(len(d.Fields) == 0, "fields", "there are none; say what an analyst looks at first")
	for _, tag := range d.Tags {
		wrong(!tagForm.MatchString(tag), "tags", "%q is not a namespace and a name, such as attack.t1195.002", tag)
	}
	if _, err := threats(d.Tags); err != nil {
		errs = append(errs, mistake.At("tags", "tags: %v", err))
	}
	return r, strictyaml.Locate(d.text, errors.Join(errs...))
}

// severities are the levels of Sigma, with the risk scores that Elastic gives to their names.
var severities = map[string]int{"informational": 1, "low": 21, "medium": 47, "high": 73, "critical": 99}

// TimeField returns the field of time to which the window of a rule applies: when the broker received an event, or a document
// about the pipeline was written; the time of the newest event of a change for records and findings, which
// have no other.
func (r *Rule) TimeField() string {
	if r.Source.Category == Events || r.Source.Category == Health {
		return "event.created"
	}
	return "@timestamp"
}
