package secrets

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
)

// A ruleFile is the rules of gitleaks (https://github.com/gitleaks/gitleaks, MIT), as its
// own configuration states them, in gitleaks_rules.go. A test writes that file from the
// module of gitleaks, and holds what is found here against gitleaks itself. It is Go, so
// that nothing is read when a program starts: a hook runs at each call of a tool.
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

// An allowText says what is no secret though a rule finds it.
type allowText struct {
	Target    string // what Regexes look at: match, line; else the secret
	And       bool   // both must hold
	Regexes   []string
	StopWords []string
}

// A rule finds one kind of secret.
type rule struct {
	id       string
	entropy  float64
	group    int
	keywords []string
	look     func() *pattern // of its expression, read where it is first needed: most never are
	allow    []allowance
	near     func(lower string, end int) bool // of rules of ours: what must stand near a keyword that ends at end
	accept   func(secret string) bool         // of rules of ours
}

// A pattern is what is known of an expression.
type pattern struct {
	named  bool // it begins with the name of the value, which is a keyword
	run    int  // every match has so many word characters in a row
	before int  // bytes of a match before the keyword, at most
	length int  // bytes of a match, at most, unless it is open
	open   bool
	regex  *regexp.Regexp
}

type allowance struct {
	target string
	and    bool
	regex  func() *regexp.Regexp    // nil without one
	words  func() *ahocorasick.Trie // nil without one
}

// generic is the rule of gitleaks that knows only that something is secret.
const generic = "generic-api-key"

// anyName is how the rules of gitleaks begin that look for a value with a name: with
// whatever stands in one word with it.
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
	tree, _ := syntax.Parse(expression, syntax.Perl) // as above
	f.run = least(tree).inside
	f.length, f.open = longest(tree)
	f.before = f.length
	return f
}

// beginsWith reports whether the names with which an expression begins are its keywords.
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

// allowed reports whether what a rule found is no secret. match and line are what its
// expression matched and the lines that stands in.
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

// entropyOf is Shannon's, as gitleaks has it.
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
