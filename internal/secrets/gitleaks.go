package secrets

import (
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
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

// An allowText describes a match of a rule that is not a secret.
type allowText struct {
	Target    string // what Regexes match: match, line; otherwise the secret
	And       bool   // both conditions must be true
	Regexes   []string
	StopWords []string
}

// A rule finds one kind of secret.
type rule struct {
	shape
	id      string
	entropy float64
	group   int
	regex   func() *regexp.Regexp // compiled where it is first needed: most never are
	allow   []allowance
	accept  func(secret string) bool // of rules of ours
}

// A shape is what is known of the matches of an expression, in index.go.
type shape struct {
	named  bool // a match begins with the name of the value, which begins with a keyword
	ended  bool // named, and each name ends with its keyword: a separator follows
	run    int  // every match has so many word characters in a row
	length int  // bytes of a match, at most, unless it is open
	open   bool
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

// textOf returns a rule as it is written: first those of gitleaks, then ours.
func textOf(i int) ruleText {
	if n := len(gitleaksRules.Rules); i >= n {
		o := &ourRules[i-n]
		return ruleText{ID: o.id, Regex: o.regex, Keywords: o.keywords}
	}
	return gitleaksRules.Rules[i]
}

// newRule compiles a rule; general describes what is not a secret for any rule of gitleaks.
func newRule(i int, general func() []allowance) rule {
	text := textOf(i)
	r := rule{
		shape: ruleShapes[i], id: text.ID, entropy: text.Entropy, group: text.Group,
		regex: sync.OnceValue(func() *regexp.Regexp {
			expression, _ := withoutName(text.Regex, text.Keywords)
			return regexp.MustCompile(expression)
		}),
	}
	if n := len(gitleaksRules.Rules); i >= n {
		r.accept = ourRules[i-n].accept
	} else {
		r.allow = append(allowances(text.Allow), general()...)
	}
	return r
}

// withoutName returns the expression of a rule without the part of the name before its
// keyword, if it has one: the rule is applied at the keyword.
func withoutName(expression string, keywords []string) (rest string, named bool) {
	for _, begin := range []string{anyName + "(?i:" + anyName, "(?i)" + anyName} {
		rest, ok := strings.CutPrefix(expression, begin)
		if !ok || !beginsWith(rest, keywords) {
			continue
		}
		if strings.Contains(begin, "(?i:") {
			return `\A(?:(?i:` + rest + `)`, true
		}
		return `\A(?:(?i)` + rest + `)`, true
	}
	return expression, false
}

// shapeOf reads what is known of the matches of a rule.
func shapeOf(text ruleText) (out shape, err error) {
	expression, named := withoutName(text.Regex, text.Keywords)
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return out, err
	}
	out.named, out.run = named, least(tree).inside
	out.length, out.open = longest(tree)
	if named {
		out.ended, err = namesAreKeywords(expression, text.Keywords)
	}
	return out, err
}

// namesAreKeywords reports whether each name with which an expression begins is a keyword. Names
// such as MailchimpSDK.initialize only begin with one.
func namesAreKeywords(expression string, keywords []string) (bool, error) {
	const begin = `\A(?:(?i)(?:` // or with a group, which is as long: (?i:
	names, _, _ := strings.Cut(expression[len(begin):], `)(?:[ \t\w.-]{0,20})`)
	for _, name := range alternatives(names) {
		tree, err := syntax.Parse(name, syntax.Perl)
		if err != nil {
			return false, err
		}
		whole, err := regexp.Compile(`(?i)\A(?:` + name + `)\z`)
		if err != nil {
			return false, err
		}
		length, _ := longest(tree)
		if !slices.ContainsFunc(keywords, func(k string) bool { return length == longestLetter*len(k) && whole.MatchString(k) }) {
			return false, nil
		}
	}
	return true, nil
}

// alternatives splits an expression at each bar that is in no group.
func alternatives(expression string) (out []string) {
	depth, start := 0, 0
	for i := range len(expression) {
		switch c := expression[i]; {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			out = append(out, expression[start:i])
			start = i + 1
		}
	}
	return append(out, expression[start:])
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
		if r.allow[i].allows(secret, match, line) {
			return true
		}
	}
	return false
}

func (a *allowance) allows(secret, match, line string) bool {
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
