package secrets

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
)

// A ruleFile is the rules of gitleaks (https://github.com/gitleaks/gitleaks, MIT) from its own
// configuration, in gitleaks_rules.go. A test generates that file from the module of gitleaks, and
// compares our findings with those of gitleaks. The rules are Go code, so that no file is read at
// start: a hook runs at each call of a tool.
type ruleFile struct {
	Allow []allowText
	Rules []ruleText
}

type ruleText struct {
	ID, Regex string
	Entropy   float64
	Group     int
	Keywords  []string
	Allow     []allowText
}

// An allowText describes a match of a rule that is no secret.
type allowText struct {
	Target    string // what Regexes match: match, line; otherwise the secret
	And       bool   // both conditions must be true
	Regexes   []string
	StopWords []string
}

// A rule finds one kind of secret.
type rule struct {
	id       string
	entropy  float64
	group    int
	keywords []string
	look     func() *pattern // of its expression, compiled at first use: most are never used
	allow    []allowance
	near     func(lower string, end int) bool // our own rules: what must be near a keyword that ends at end
	accept   func(secret string) bool         // our own rules: whether the match is a secret
}

// A pattern is what is known about an expression.
type pattern struct {
	named  bool // it begins with the name of the value, which is a keyword
	run    int  // every match has a run of at least this length
	before int  // maximum of bytes of a match before the keyword
	length int  // maximum of bytes of a match, unless it is open
	open   bool
	regex  *regexp.Regexp
}

type allowance struct {
	target string
	and    bool
	regex  func() *regexp.Regexp    // nil if there is none
	words  func() *ahocorasick.Trie // nil if there is none
}

// generic is the gitleaks rule that only knows that something is secret.
const generic = "generic-api-key"

// anyName is the start of gitleaks rules for a named value: the characters in the same word before
// the name.
const anyName = `[\w.-]{0,50}?`

func allRules() []rule {
	general := allowances(gitleaksRules.Allow)
	rules := make([]rule, 0, len(gitleaksRules.Rules)+len(ourRules))
	for _, text := range gitleaksRules.Rules {
		r := newRule(text)
		r.allow = append(allowances(text.Allow), general...)
		rules = append(rules, r)
	}
	for _, o := range ourRules {
		r := newRule(ruleText{ID: o.id, Regex: o.regex, Keywords: o.keywords})
		r.near, r.accept = o.near, o.accept
		rules = append(rules, r)
	}
	return rules
}

func newRule(text ruleText) rule {
	return rule{
		id: text.ID, entropy: text.Entropy, group: text.Group, keywords: text.Keywords,
		look: sync.OnceValue(func() *pattern { return patternOf(text.Regex, text.Keywords) }),
	}
}

func patternOf(expression string, keywords []string) *pattern {
	f := new(pattern)
	for _, begin := range []string{anyName + "(?i:" + anyName, "(?i)" + anyName} {
		if rest, ok := strings.CutPrefix(expression, begin); ok && beginsWith(rest, keywords) {
			f.named = true
			expression = "(?i)" + rest
			if strings.Contains(begin, "(?i:") {
				expression = "(?i:" + rest
			}
			expression = `\A(?:` + expression + `)`
			break
		}
	}
	f.regex = regexp.MustCompile(expression)
	tree, _ := syntax.Parse(expression, syntax.Perl) // compiled above
	f.run = least(tree).inside
	f.length, f.open = longest(tree)
	f.before = f.length
	return f
}

// beginsWith reports whether the names at the start of an expression are its keywords.
func beginsWith(expression string, keywords []string) bool {
	names, _, ok := strings.Cut(strings.ToLower(expression), `)(?:[ \t\w.-]{0,20})`)
	names = strings.ReplaceAll(names, "(?:or)?", "") + strings.ReplaceAll(names, "(?:or)?", "or") // passw(?:or)?d
	for _, k := range keywords {
		ok = ok && strings.Contains(names, strings.ToLower(k))
	}
	return ok && !strings.Contains(expression, `|\b(`)
}

func allowances(texts []allowText) (out []allowance) {
	for _, t := range texts {
		a := allowance{target: t.Target, and: t.And}
		if len(t.StopWords) > 0 {
			a.words = sync.OnceValue(func() *ahocorasick.Trie { return ahocorasick.NewTrieBuilder().AddStrings(t.StopWords).Build() })
		}
		if len(t.Regexes) > 0 {
			a.regex = lazy("(?:" + strings.Join(t.Regexes, "|") + ")")
		}
		out = append(out, a)
	}
	return out
}

// allowed reports whether a match of a rule is no secret. match is the matched text, line the lines
// that contain it.
func (r *rule) allowed(secret, match, line string) bool {
	for i := range r.allow {
		if r.allow[i].holds(secret, match, line) {
			return true
		}
	}
	return false
}

func (a *allowance) holds(secret, match, line string) bool {
	target := secret
	switch a.target {
	case "match":
		target = match
	case "line":
		target = line
	}
	fits := a.regex != nil && a.regex().FindString(target) != ""
	stops := a.words != nil && a.words().MatchFirstString(strings.ToLower(secret)) != nil
	if a.and {
		return (fits || a.regex == nil) && (stops || a.words == nil)
	}
	return fits || stops
}

// entropyOf returns the Shannon entropy, computed like gitleaks does.
func entropyOf(text string) (bits float64) {
	counts := make(map[rune]int)
	for _, c := range text {
		counts[c]++
	}
	for _, n := range counts {
		f := float64(n) / float64(len(text))
		bits -= f * math.Log2(f)
	}
	return bits
}
