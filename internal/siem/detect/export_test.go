package detect_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/internal/siem/detect"
)

var options = detect.Options{Namespace: "default", Page: "https://changetrail.example.com/"}

// TestTheSameRulesMakeTheSameFiles: an import after a new export changes nothing.
func TestTheSameRulesMakeTheSameFiles(t *testing.T) {
	first, err := detect.Export(load(t), options)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := detect.Export(load(t), options)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(first, again, bytes.Equal) {
			t.Fatal("two exports differ")
		}
	}
	for name, content := range first {
		if !fs.ValidPath(name) || len(content) == 0 {
			t.Errorf("%q has %d bytes", name, len(content))
		}
	}
	rules := len(load(t))
	if thresholds := 5; len(first) != 2+3*rules-thresholds {
		t.Errorf("%d files of %d rules", len(first), rules)
	}
}

// TestElasticRules checks what the import of Elastic Security requires of each line.
func TestElasticRules(t *testing.T) {
	rules := load(t)
	text, err := detect.Elastic(rules, options)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != len(rules) {
		t.Fatalf("%d lines of %d rules", len(lines), len(rules))
	}
	for i, line := range lines {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r["enabled"] != false {
			t.Errorf("%s is not disabled", r["name"])
		}
		for _, key := range []string{"rule_id", "name", "description", "query", "note", "from", "interval"} {
			if s, _ := r[key].(string); s == "" {
				t.Errorf("%s has no %s", r["name"], key)
			}
		}
		for _, key := range []string{"threat", "references", "false_positives", "tags", "index"} {
			if l, ok := r[key].([]any); !ok || len(l) == 0 {
				t.Errorf("%s has no %s", r["name"], key)
			}
		}
		if risk, _ := r["risk_score"].(float64); risk < 1 || risk > 100 || !slices.Contains([]string{"low", "medium", "high", "critical"}, r["severity"].(string)) {
			t.Errorf("%s has risk %v, severity %v", r["name"], r["risk_score"], r["severity"])
		}
		if _, ok := r["threshold"]; ok != (r["type"] == "threshold") || ok != (rules[i].Threshold != nil) {
			t.Errorf("%s: type %v, threshold %v", r["name"], r["type"], ok)
		}
		if override := r["timestamp_override"]; (override == "event.created") != slices.Contains([]string{detect.Events, detect.Health}, rules[i].Source.Category) {
			t.Errorf("%s has the timestamp_override %v", r["name"], override)
		}
		leads := "https://changetrail.example.com/changes/"
		if rules[i].Source.Category == detect.Health {
			leads = "The dashboard *Pipeline health*"
		}
		if !strings.Contains(r["note"].(string), leads) {
			t.Errorf("%s does not lead to %s: %s", r["name"], leads, r["note"])
		}
	}
}

// TestAnalyticsRules checks what the reader of Security Analytics requires.
func TestAnalyticsRules(t *testing.T) {
	n := 0
	for _, r := range load(t) {
		text, ok, err := r.Analytics(options)
		if err != nil || ok != (r.Threshold == nil) {
			t.Fatal(r.File, ok, err)
		}
		if !ok {
			continue
		}
		n++
		var rule map[string]any
		if err := yaml.Unmarshal(text, &rule); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"title", "id", "status", "description", "author", "date", "level"} {
			if s, _ := rule[key].(string); s == "" {
				t.Errorf("%s: %s is no text: %v", r.File, key, rule[key])
			}
		}
		known := []string{"title", "id", "status", "description", "references", "author", "date", "tags", "logsource", "detection", "fields", "falsepositives", "level"}
		for key := range rule {
			if !slices.Contains(known, key) {
				t.Errorf("%s has the key %s", r.File, key)
			}
		}
		again, err := detect.Parse(append(text, "x-investigation: none\n"...))
		if err != nil || detect.Lucene(again.Where) != detect.Lucene(r.Where) {
			t.Errorf("%s reads as another rule: %v", r.File, err)
		}
	}
	if n < 24 {
		t.Errorf("there are %d rules", n)
	}
}
