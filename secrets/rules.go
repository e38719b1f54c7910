package secrets

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
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
	owners   [][]int // rules of each keyword
	names    []bool  // of each keyword: it is one of generic-api-key
	rules    []rule
}

type rule struct {
	id        string
	run       int                                  // the text has so many word characters in a row, at least
	plausible func(lower string, names []int) bool // and is like this
	detector  *detect.Detector                     // of this rule alone
}

// plausible is for the rules whose expressions tell too little: what a text that
// they match has in any case.
var plausible = map[string]func(lower string, names []int) bool{
	generic:                  valueBesideName,
	"kubernetes-secret-yaml": func(lower string, _ []int) bool { return strings.Contains(lower, "kind:") },
}

// generic is the rule that knows only that something is secret.
const generic = "generic-api-key"

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
	out := new(rules)
	owners := make(map[string][]int)
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
			owners[k] = append(owners[k], len(out.rules))
		}
		d := detect.NewDetector(one)
		d.IgnoreGitleaksAllow = true // what an agent writes must not switch it off
		out.rules = append(out.rules, rule{id, least(expression).inside, plausible[id], d})
	}
	words := slices.Sorted(maps.Keys(owners))
	for _, w := range words {
		out.owners = append(out.owners, owners[w])
		out.names = append(out.names, slices.ContainsFunc(owners[w], func(i int) bool { return out.rules[i].id == generic }))
	}
	out.keywords = ahocorasick.NewTrieBuilder().AddStrings(words).Build()
	return out, nil
}

// hits returns the rules of which a keyword stands in a text, in lower case, and
// where names of generic-api-key end in it.
func (r *rules) hits(lower string) (ask, names []int) {
	r.keywords.Walk([]byte(lower), func(end, _, keyword int64) bool {
		ask = append(ask, r.owners[keyword]...)
		if r.names[keyword] {
			names = append(names, int(end)+1)
		}
		return true
	})
	slices.Sort(ask)
	return slices.Compact(ask), names
}

// clean reports whether nothing can be found in any text of JSON data, as far as a
// look at the data as it stands tells. Escapes push characters apart and never
// together, but for those that stand for letters.
func (r *rules) clean(data []byte) bool {
	if bytes.Contains(data, []byte(`\u`)) || bytes.Contains(data, []byte(`\/`)) {
		return false
	}
	lower := strings.ToLower(string(data))
	ask, names := r.hits(lower)
	longest := -1
	for _, i := range ask {
		switch one := &r.rules[i]; {
		case one.id == generic:
			if valueWithin(lower, names, near+3+5) {
				return false
			}
		case one.plausible != nil:
			if one.plausible(lower, names) {
				return false
			}
		default:
			if longest < 0 {
				longest = longestRun(lower)
			}
			if longest >= one.run {
				return false
			}
		}
	}
	return true
}

// find returns the secrets in a text, those first that others are part of.
func (r *rules) find(text string) []report.Finding {
	lower := strings.ToLower(text)
	ask, names := r.hits(lower)
	if ask == nil {
		return nil
	}
	longest := longestRun(text)
	var out []report.Finding
	for _, i := range ask {
		one := &r.rules[i]
		if longest < one.run || one.plausible != nil && !one.plausible(lower, names) {
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
	if f.RuleID == generic {
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

// Kinds of characters, as generic-api-key has them. What is not ASCII counts as a
// letter: (?i) takes some of it for one.
const (
	wordy   = 1 << iota // [\w.=-]
	base64y             // [a-z0-9+/]
	telling             // of wordy, what its allowlist does not let pass
)

var kinds = func() (out [256]byte) {
	for c := range out {
		switch ch := byte(c); {
		case c >= 0x80 || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z':
			out[c] = wordy | base64y
		case ch >= '0' && ch <= '9':
			out[c] = wordy | base64y | telling
		case ch == '_' || ch == '.' || ch == '-':
			out[c] = wordy
		case ch == '=':
			out[c] = wordy | telling
		case ch == '+' || ch == '/':
			out[c] = base64y
		}
	}
	return out
}()

// near is how far behind a name generic-api-key takes a value to be the name's.
const near = 20 + 3 + 3 + 5

// valueBesideName reports whether a text, in lower case, has a value that
// generic-api-key would take, not far behind a name: ten or more of [\w.=-] or
// twelve or more of [a-z0-9+/], and not letters alone, which its allowlist lets
// pass. names is where names end.
func valueBesideName(lower string, names []int) bool { return valueWithin(lower, names, near) }

func valueWithin(lower string, names []int, distance int) bool {
	named := func(from, to int) bool {
		at, _ := slices.BinarySearch(names, from-distance)
		return at < len(names) && names[at] <= to
	}
	words, values, tells := 0, 0, false // lengths of the runs that end here
	for i := 0; i <= len(lower); i++ {
		var k byte
		if i < len(lower) {
			k = kinds[lower[i]]
		}
		if k&wordy == 0 {
			if words >= 10 && tells && named(i-words, i) {
				return true
			}
			words, tells = 0, false
		} else {
			words++
			tells = tells || k&telling != 0
		}
		if k&base64y == 0 {
			if values >= 12 && ends(lower[i:]) && strings.ContainsAny(lower[i-values:i], "0123456789+/") && named(i-values, i) {
				return true
			}
			values = 0
		} else {
			values++
		}
	}
	return false
}

// ends reports whether a value may end before rest.
func ends(rest string) bool {
	rest = strings.TrimLeft(rest, "=")
	return rest == "" || strings.ContainsRune("`'\" \t\n\v\f\r;\\", rune(rest[0]))
}
