package gitleaks

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
)

// rules is what package secrets reads.
const rules = "../../secrets/gitleaks.json"

// A ruleFile is what is in it.
type ruleFile struct {
	Allow []allowText
	Rules []ruleText
}

type ruleText struct {
	ID, Regex string
	Entropy   float64     `json:",omitempty"`
	Group     int         `json:",omitempty"`
	Keywords  []string    `json:",omitempty"`
	Allow     []allowText `json:",omitempty"`
}

type allowText struct {
	Target    string   `json:",omitempty"`
	And       bool     `json:",omitempty"`
	Regexes   []string `json:",omitempty"`
	StopWords []string `json:",omitempty"`
}

var update = flag.Bool("update", false, "write gitleaks.json from the module of gitleaks")

// TestTheRulesAreThoseOfTheModule: gitleaks.json is what the module of gitleaks says in
// its own configuration, which only tests of this module import.
func TestTheRulesAreThoseOfTheModule(t *testing.T) {
	v := viper.New()
	v.SetConfigType("toml")
	var c config.ViperConfig
	if err := errors.Join(v.ReadConfig(strings.NewReader(config.DefaultConfig)), v.Unmarshal(&c)); err != nil {
		t.Fatal(err)
	}
	all, err := c.Translate()
	if err != nil {
		t.Fatal(err)
	}
	want := ruleFile{Allow: allowed(all.Allowlists)}
	for _, id := range all.OrderedRules {
		r := all.Rules[id]
		if len(r.RequiredRules) > 0 {
			t.Errorf("rule %s requires others, which is not read here", id)
		}
		if r.Regex == nil { // of the names of files
			continue
		}
		// Path is left out: where a text comes from is not known here, so all rules are asked.
		want.Rules = append(want.Rules, ruleText{ID: id, Regex: r.Regex.String(), Entropy: r.Entropy, Group: r.SecretGroup, Keywords: r.Keywords, Allow: allowed(r.Allowlists)})
	}
	text, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(rules, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(rules); err != nil || !bytes.Equal(have, text) {
		t.Error("gitleaks.json is not what the module says; go -C internal/e2e test ./gitleaks -run TestTheRules -update writes it", err)
	}
}

func allowed(lists []*config.Allowlist) (out []allowText) {
	for _, a := range lists {
		if a.MatchCondition == config.AllowlistMatchAnd && (len(a.Paths) > 0 || len(a.Commits) > 0) || len(a.Regexes)+len(a.StopWords) == 0 {
			continue // it asks for a path or a commit, and there is none
		}
		one := allowText{Target: a.RegexTarget, And: a.MatchCondition == config.AllowlistMatchAnd}
		for _, r := range a.Regexes {
			one.Regexes = append(one.Regexes, r.String())
		}
		for _, w := range a.StopWords {
			one.StopWords = append(one.StopWords, strings.ToLower(w))
		}
		slices.Sort(one.StopWords)
		out = append(out, one)
	}
	return out
}
