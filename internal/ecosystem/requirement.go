package ecosystem

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// firsts returns the first version of each span of versions that a requirement allows, if the
// requirement names it: 1.2.3 and 2.0.5 for ">=1.2.3 <2 || >=2.0.5". A span that excludes its own
// bound, such as ">1.0", has none, since the version after 1.0 is unknown. Nor does a span without
// a lower bound.
//
// It reads the formats of ecosystems and scanners: the comparisons of npm, PyPI, RubyGems, Cargo
// and Composer, the intervals of Maven and NuGet, vers: ranges
// (https://github.com/package-url/vers-spec), and lists of versions. A comma means "and" if both
// sides can be true together, otherwise "or": scanners write both in that way. For a requirement
// that is not fully understood it returns nothing.
func firsts(eco, requirement string) []string {
	var out []string
	for _, s := range spans(eco, requirement) {
		if v, ok := s.first(); ok && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// End returns the version before which the only span of a requirement ends: 4.17.21 for "<4.17.21".
// ok is false if it names none, or has several spans.
func End(eco, requirement string) (version string, ok bool) {
	all := spans(eco, requirement)
	if len(all) != 1 || all[0].high == "" || !all[0].highOpen || all[0].empty() || !strings.Contains(requirement, all[0].high) {
		return "", false
	}
	return all[0].high, true
}

func spans(eco, requirement string) []span {
	eco, requirement = stated(eco, requirement), strings.TrimSpace(requirement)
	if len(requirement) > 16*maxLength {
		return nil
	}
	if strings.HasPrefix(requirement, "vers:") {
		return versSpans(eco, requirement)
	}
	if strings.HasPrefix(requirement, "[") || strings.HasPrefix(requirement, "(") {
		return intervals(eco, requirement)
	}
	var out []span
	for _, r := range alternatives.Split(requirement, -1) {
		all, ok := comparisons(eco, r)
		if !ok {
			return nil
		}
		out = append(out, joined(all)...)
	}
	return out
}

var alternatives = regexp.MustCompile(`\|\|?|;|\s(?i:or)\s`)

// stated returns the ecosystem that a vers: range names, or else eco.
func stated(eco, requirement string) string {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(requirement), "vers:"); ok {
		if typ, _, _ := strings.Cut(rest, "/"); Known(typ) {
			return Normal(typ)
		}
	}
	return Normal(eco)
}

// versSpans parses a vers: range, in which bars are commas.
func versSpans(eco, text string) []span {
	_, constraints, _ := strings.Cut(text, "/")
	text, err := url.PathUnescape(strings.ReplaceAll(constraints, "|", ","))
	if err != nil {
		return nil
	}
	all, ok := comparisons(eco, text)
	if !ok {
		return nil
	}
	return joined(all)
}

var interval = regexp.MustCompile(`^[\s,|]*([\[(])([^,\[\]()|]*)(,?)([^,\[\]()|]*)([\])])[\s,|]*`)

// intervals parses [1.0,2.0), (,1.0], [1.5,) and [1.0], one or several
// (https://maven.apache.org/pom.html#dependency-version-requirement-specification).
func intervals(eco, text string) []span {
	var out []span
	for text != "" {
		m := interval.FindStringSubmatch(text)
		if m == nil {
			return nil
		}
		s := span{eco: eco, low: strings.TrimSpace(m[2]), lowOpen: m[1] == "(", high: strings.TrimSpace(m[4]), highOpen: m[5] == ")"}
		if m[3] == "" {
			s.high = s.low
		}
		out = append(out, s)
		text = text[len(m[0]):]
	}
	return out
}

const digits = "0123456789"

// A comparison is a part of a requirement: an operator and a version.
type comparison struct{ sign, version string }

var (
	comparisonSign = regexp.MustCompile(`^[<>=^~!]+`)
	hyphenated     = regexp.MustCompile(`(\S+)\s+-\s+(\S+)`) // npm and Composer: 1.0 - 2.0
	adjoining      = regexp.MustCompile(`([^<>=^~!\s,])([<>]=?|!=|=)`)
	versionWord    = regexp.MustCompile(`^[0-9A-Za-z][^\s<>=*|,;()\[\]]*$`)
)

// comparisons parses the comparisons of a requirement into spans. They are separated by commas,
// spaces or nothing. ok is false if a part is not a comparison.
func comparisons(eco, text string) (out []span, ok bool) {
	text = hyphenated.ReplaceAllString(text, ">=$1 <=$2")
	text = adjoining.ReplaceAllString(text, "$1 $2")
	sign := ""
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		s := comparisonSign.FindString(word)
		version := word[len(s):]
		if sign += s; version == "" {
			continue
		}
		if !versionWord.MatchString(version) || !strings.ContainsAny(version, digits) {
			return nil, false
		}
		if out, ok = added(out, eco, comparison{sign, version}); !ok {
			return nil, false
		}
		sign = ""
	}
	return out, sign == ""
}

// added adds a comparison to the spans before it. An upper bound limits the span before it, and a
// lower bound the span with an upper bound that has none yet.
func added(all []span, eco string, c comparison) ([]span, bool) {
	s, ok := spanOf(eco, c)
	if !ok {
		return nil, false
	}
	if len(all) == 0 {
		return append(all, s), true
	}
	last := &all[len(all)-1]
	if s.low == "" && last.low != "" || s.low != "" && last.low == "" {
		if both, ok := last.and(s); ok && !both.empty() {
			*last = both
			return all, true
		}
	}
	return append(all, s), true
}

// joined intersects neighbours that can be true together: in "~> 5.2.4, >= 5.2.4.3" the second
// narrows the first.
func joined(all []span) []span {
	var out []span
	for _, s := range all {
		if n := len(out); n > 0 {
			if both, ok := out[n-1].and(s); ok && !both.empty() {
				out[n-1] = both
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

func spanOf(eco string, c comparison) (span, bool) {
	v := whole(eco, c.version)
	s := span{eco: eco}
	switch c.sign {
	case "", "=", "==", "===":
		s.low, s.high = v, v
	case ">=", "=>":
		s.low = v
	case ">":
		s.low, s.lowOpen = v, true
	case "<":
		s.high, s.highOpen = v, true
	case "<=", "=<":
		s.high = v
	case "!=":
		s.not = []string{v}
	case "^", "~", "~>", "~=":
		end, ok := after(c.version, kept(eco, c))
		s.low, s.high, s.highOpen = v, earliest(eco, end), true
		return s, ok
	default:
		return s, false
	}
	return s, true
}

// kept returns how many numbers of a version "^", "~" and "~>" fix. The span ends where the last of
// these numbers is one higher: https://docs.npmjs.com/cli/using-npm/semver#advanced-range-syntax,
// https://getcomposer.org/doc/articles/versions.md#next-significant-release-operators,
// https://guides.rubygems.org/patterns/#pessimistic-version-constraint.
func kept(eco string, c comparison) int {
	_, numbers := epochAndNumbers(c.version)
	switch {
	case c.sign == "^":
		for i, n := range numbers {
			if strings.Trim(n, "0") != "" {
				return i + 1
			}
		}
		return len(numbers)
	case c.sign == "~" && eco != Packagist:
		return min(2, len(numbers))
	}
	return max(1, len(numbers)-1)
}

var leadingNumbers = regexp.MustCompile(`^v?(\d+[!:])?(\d+(?:\.\d+)*)`)

func epochAndNumbers(version string) (epoch string, numbers []string) {
	m := leadingNumbers.FindStringSubmatch(version)
	if m == nil {
		return "", []string{""}
	}
	return m[1], strings.Split(m[2], ".")
}

// after returns the version after all those that begin with the first n numbers of version. ok is
// false if a number is too large.
func after(version string, n int) (v string, ok bool) {
	epoch, numbers := epochAndNumbers(version)
	last, err := strconv.ParseUint(numbers[n-1], 10, 32)
	if err != nil {
		return "", false
	}
	return epoch + strings.Join(append(slices.Clone(numbers[:n-1]), strconv.FormatUint(last+1, 10)), "."), true
}

// earliest returns a version before all pre-releases of a release.
func earliest(eco, release string) string {
	switch eco {
	case NPM, Cargo, Hex, Pub, Swift:
		return whole(eco, release) + "-0"
	case PyPI:
		return release + ".dev0"
	case RubyGems, CocoaPods:
		return release + ".A"
	case Packagist:
		return release + "-dev"
	}
	return release
}

// whole adds the numbers that a range may omit but a version may not: >=2 in npm means >=2.0.0.
func whole(eco, version string) string {
	switch eco {
	case NPM, Cargo, Hex, Pub, Swift:
		for version != "" && partial.MatchString(version) {
			version += ".0"
		}
	}
	return version
}

var partial = regexp.MustCompile(`^v?\d+(\.\d+)?$`)
