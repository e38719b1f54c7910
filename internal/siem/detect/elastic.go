package detect

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/changetrail/changetrail/schemas"
)

// Options say for which installation detections are generated.
type Options struct {
	Namespace string // of the indexes
	Page      string // address of changetrail's pages, such as https://changetrail.example.com; may be empty
}

// index returns the indexes of a rule.
func (o Options) index(r *Rule) string {
	switch r.Source.Category {
	case Events:
		return schemas.EventIndex(o.Namespace)
	case Findings:
		return schemas.FindingIndex(o.Namespace)
	case Health:
		return schemas.HealthIndexes(o.Namespace)
	}
	return schemas.RecordIndexes(o.Namespace)
}

// Detections look every interval at what is new. They look back further than that: events take their
// way through the pipeline; a finding has the time of the newest event of its change, which may have
// arrived long after that time. Elastic raises one alert for one version of a document, however often
// it is seen.
const (
	interval     = 5 * time.Minute
	backEvents   = time.Hour
	backFindings = 24 * time.Hour
)

// back returns how far a rule looks back.
func (r *Rule) back() time.Duration {
	switch {
	case r.Threshold != nil:
		return r.Threshold.Within
	case r.Source.Category == Events, r.Source.Category == Health:
		return backEvents
	}
	return backFindings
}

// elasticRule is a detection rule of Elastic Security, as its import reads it.
type elasticRule struct {
	RuleID        string            `json:"rule_id"`
	Name          string            `json:"name"`
	Description   string            `json:"description"`
	Type          string            `json:"type"`
	Enabled       bool              `json:"enabled"` // a rule without it is on
	Language      string            `json:"language"`
	Query         string            `json:"query"`
	Index         []string          `json:"index"`
	Interval      string            `json:"interval"`
	From          string            `json:"from"`
	To            string            `json:"to"`
	Severity      string            `json:"severity"`
	RiskScore     int               `json:"risk_score"`
	Author        []string          `json:"author"`
	License       string            `json:"license"`
	Tags          []string          `json:"tags"`
	Threat        []Threat          `json:"threat"`
	References    []string          `json:"references"`
	FalsePositive []string          `json:"false_positives"`
	Note          string            `json:"note"`
	Setup         string            `json:"setup"`
	Fields        *investigation    `json:"investigation_fields,omitempty"`
	Timestamp     string            `json:"timestamp_override,omitempty"`
	Threshold     *elasticThreshold `json:"threshold,omitempty"`
	MaxSignals    int               `json:"max_signals"`
	Version       int               `json:"version"`
}

type investigation struct {
	Names []string `json:"field_names"`
}

type elasticThreshold struct {
	Field []string `json:"field"`
	Value int      `json:"value"`
}

// Elastic returns the rules as Elastic Security imports them: one in a line, all disabled. Their
// language is Lucene: Elasticsearch reads the text itself, as OpenSearch does, so that tests run what
// is shipped.
func Elastic(rules []Rule, o Options) ([]byte, error) {
	var out bytes.Buffer
	for i := range rules {
		r := &rules[i]
		e, err := r.elastic(o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.File, err)
		}
		line, err := schemas.Encode(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.File, err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes(), nil
}

func (r *Rule) elastic(o Options) (*elasticRule, error) {
	threat, err := r.Threats()
	if err != nil {
		return nil, err
	}
	e := &elasticRule{
		RuleID: r.ID, Name: r.Title, Description: r.Description, Type: "query", Language: "lucene", Query: Lucene(r.Where), Index: []string{o.index(r)},
		Interval: short(interval), From: "now-" + short(r.back()), To: "now", Severity: r.severity(), RiskScore: severities[r.Level],
		Author: []string{r.Author}, License: "Apache-2.0", Tags: append([]string{"changetrail"}, r.Controls()...), Threat: threat, References: list(r.References), FalsePositive: list(r.FalsePositives),
		Note: r.guide(o), Setup: "The rule reads " + o.index(r) + ", which `" + r.writer() + "` fills.", Fields: &investigation{r.Fields}, MaxSignals: 100, Version: 1,
	}
	if field := r.TimeField(); field != "@timestamp" {
		e.Timestamp = field
	}
	if t := r.Threshold; t != nil {
		e.Type, e.Threshold = "threshold", &elasticThreshold{[]string{t.GroupBy}, t.AtLeast}
	}
	return e, nil
}

// writer returns the command that writes the documents of a rule.
func (r *Rule) writer() string {
	if r.Source.Category == Health {
		return "changetrail health"
	}
	return "changetrail sink"
}

// list returns a list that is written as [] if it is empty.
func list(s []string) []string { return append([]string{}, s...) }

// severity returns the level in the words of Elastic, which has no informational.
func (r *Rule) severity() string {
	if r.Level == "informational" {
		return "low"
	}
	return r.Level
}

// Controls returns the control tags of a rule as documents have them: pci-dss-6.3.2 for Sigma's
// pci-dss.6.3.2, which needs a namespace.
func (r *Rule) Controls() (out []string) {
	for _, tag := range r.Tags {
		if framework, control, _ := strings.Cut(tag, "."); framework != "attack" {
			out = append(out, framework+"-"+control)
		}
	}
	return out
}

// guide returns the investigation guide, in Markdown.
func (r *Rule) guide(o Options) string {
	var b strings.Builder
	b.WriteString("## Open\n\n")
	if r.Source.Category == Health {
		b.WriteString("The dashboard *Pipeline health*; `changetrail.health.name` says which part, source or reason it is. `changetrail doctor` says how the pipeline does now.\n\n")
	} else {
		guideToChange(&b, o)
	}
	b.WriteString("## Ask\n\n" + r.Investigation + "\n\n## When it is harmless\n\n")
	for _, f := range r.FalsePositives {
		b.WriteString("- " + f + "\n")
	}
	return b.String()
}

// guideToChange writes where the change of an alert is.
func guideToChange(b *strings.Builder, o Options) {
	fmt.Fprintf(b, "The page of the change: `%s/changes/` and the value of `changetrail.change.id`", strings.TrimSuffix(o.Page, "/"))
	b.WriteString(", or `changetrail show` with that value. It answers what triggered the agent, which alternatives it had, whether it was authorized and who reviewed; the time line has every event with its sender.\n\n")
}

// short writes a time in its largest whole unit, as 5m, 1h, 1d.
func short(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}
