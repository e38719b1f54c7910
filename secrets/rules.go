package secrets

import (
	"cmp"
	"errors"
	"regexp/syntax"
	"slices"
	"strings"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/report"
)

// rules are those of gitleaks, each asked only where it can find something.
// gitleaks itself asks a rule wherever one of its keywords stands, and "key",
// "auth" and "s." stand in almost every text: a third of a millisecond for each
// event. What a rule needs besides is read from its expression, once.
type rules struct {
	keywords *ahocorasick.Trie
	owners   map[string][]int // keyword → rules
	rules    []rule
}

type rule struct {
	id        string
	run       int               // the text has so many word characters in a row, at least
	plausible func(string) bool // and is like this
	detector  *detect.Detector  // of this rule alone
}

// plausible is for the rules whose expressions tell too little: what a text that
// they match has in any case.
var plausible = map[string]func(text string) bool{
	"generic-api-key":        valueBesideName,
	"kubernetes-secret-yaml": func(text string) bool { return strings.Contains(strings.ToLower(text), "kind:") },
}

func newRules() (*rules, error) {
	v := viper.New()
	v.SetConfigType("toml")
	var c config.ViperConfig
	if err := errors.Join(v.ReadConfig(strings.NewReader(config.DefaultConfig)), v.Unmarshal(&c)); err != nil {
		return nil, err
	}
	all, err := c.Translate()
	if err != nil {
		return nil, err
	}
	out := &rules{owners: make(map[string][]int)}
	for _, id := range all.OrderedRules {
		r := all.Rules[id]
		if r.Regex == nil { // of the names of files
			continue
		}
		expression, err := syntax.Parse(r.Regex.String(), syntax.Perl)
		if err != nil {
			return nil, err
		}
		one := all
		one.Rules = map[string]config.Rule{id: r}
		one.Keywords = make(map[string]struct{})
		for _, k := range r.Keywords {
			k = strings.ToLower(k)
			one.Keywords[k] = struct{}{}
			out.owners[k] = append(out.owners[k], len(out.rules))
		}
		d := detect.NewDetector(one)
		d.IgnoreGitleaksAllow = true // what an agent writes must not switch it off
		out.rules = append(out.rules, rule{id, least(expression).inside, plausible[id], d})
	}
	words := make([]string, 0, len(out.owners))
	for k := range out.owners {
		words = append(words, k)
	}
	slices.Sort(words)
	out.keywords = ahocorasick.NewTrieBuilder().AddStrings(words).Build()
	return out, nil
}

// find returns the secrets in a text, those first that others are part of.
func (r *rules) find(text string) []report.Finding {
	lower := strings.ToLower(text)
	var ask []int
	for _, m := range r.keywords.MatchString(lower) {
		ask = append(ask, r.owners[m.MatchString()]...)
	}
	if ask == nil {
		return nil
	}
	slices.Sort(ask)
	longest := longestRun(text)
	var out []report.Finding
	for _, i := range slices.Compact(ask) {
		one := &r.rules[i]
		if longest < one.run || one.plausible != nil && !one.plausible(lower) {
			continue
		}
		for _, f := range one.detector.DetectString(text) {
			if f.Secret != "" {
				out = append(out, f)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b report.Finding) int {
		return cmp.Or(cmp.Compare(len(b.Secret), len(a.Secret)), cmp.Compare(general(a), general(b)))
	})
	return out
}

// general puts the rule that knows only that something is secret behind those
// that know what it is.
func general(f report.Finding) int {
	if f.RuleID == "generic-api-key" {
		return 1
	}
	return 0
}

func wordCharacter(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == 'ſ' || c == '\u212a' // (?i) takes these for s and k
}

func longestRun(text string) int {
	longest, run := 0, 0
	for _, c := range text {
		if !wordCharacter(c) {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// runs are the word characters in a row that every match of an expression has.
type runs struct {
	before, inside, after int  // at its beginning, anywhere, at its end
	whole                 bool // it is nothing else; then all three are its least length
}

// least says which runs every match of an expression has.
func least(re *syntax.Regexp) runs {
	switch re.Op {
	case syntax.OpLiteral:
		out := runs{whole: true}
		for _, c := range re.Rune {
			out = out.then(character(wordCharacter(c)))
		}
		return out
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			for c := re.Rune[i]; c <= re.Rune[i+1]; c++ {
				if !wordCharacter(c) {
					return character(false)
				}
			}
		}
		return character(true)
	case syntax.OpCapture:
		return least(re.Sub[0])
	case syntax.OpConcat:
		out := runs{whole: true}
		for _, sub := range re.Sub {
			out = out.then(least(sub))
		}
		return out
	case syntax.OpAlternate:
		out := least(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			o := least(sub)
			out = runs{min(out.before, o.before), min(out.inside, o.inside), min(out.after, o.after), out.whole && o.whole}
		}
		return out
	case syntax.OpPlus:
		return repeat(least(re.Sub[0]), 1)
	case syntax.OpRepeat:
		return repeat(least(re.Sub[0]), re.Min)
	case syntax.OpStar, syntax.OpQuest:
		return repeat(least(re.Sub[0]), 0)
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return runs{whole: true}
	}
	return runs{} // any character
}

func character(word bool) runs {
	if word {
		return runs{1, 1, 1, true}
	}
	return runs{}
}

func (a runs) then(b runs) runs {
	out := runs{before: a.before, inside: max(a.inside, b.inside, a.after+b.before), after: b.after, whole: a.whole && b.whole}
	if a.whole {
		out.before += b.before
	}
	if b.whole {
		out.after += a.after
	}
	return out
}

// repeat is an expression n times, or more often.
func repeat(a runs, n int) runs {
	out := runs{whole: true}
	for range n {
		out = out.then(a)
	}
	out.whole = a.whole
	return out
}

// names are the keywords of the rule generic-api-key.
var names = []string{"access", "api", "auth", "key", "credential", "creds", "passw", "secret", "token"}

// valueBesideName reports whether a text, in lower case, has a value that
// generic-api-key would take, at most 31 characters behind a name: ten or more of
// [\w.=-] or twelve or more of [a-z0-9+/], and not letters alone, which its
// allowlist lets pass. What is not ASCII counts as a letter: (?i) takes some of it
// for one.
func valueBesideName(lower string) bool {
	const longestName, between = len("credential"), 20 + 3 + 3 + 5
	named := func(from, to int) bool {
		near := lower[max(0, from-between-longestName):to]
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(near, n) })
	}
	for from, to := range spans(lower, func(c byte) bool { return wordCharacter(rune(c)) || c == '.' || c == '=' || c >= 0x80 }) {
		if to-from >= 10 && strings.ContainsAny(lower[from:to], "0123456789=") && named(from, to) {
			return true
		}
	}
	for from, to := range spans(lower, func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c >= 0x80
	}) {
		if to-from >= 12 && strings.ContainsAny(lower[from:to], "0123456789+/") && ends(lower[to:]) && named(from, to) {
			return true
		}
	}
	return false
}

// ends reports whether a value may end before rest.
func ends(rest string) bool {
	rest = strings.TrimLeft(rest, "=")
	return rest == "" || strings.ContainsRune("`'\" \t\n\v\f\r;\\", rune(rest[0]))
}

// spans yields where in a text characters of a kind stand in a row.
func spans(text string, kind func(byte) bool) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		for i := 0; i < len(text); i++ {
			from := i
			for i < len(text) && kind(text[i]) {
				i++
			}
			if i > from && !yield(from, i) {
				return
			}
		}
	}
}
