package secrets

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
)

// A span is the place of a secret in a text.
type span struct {
	start, end int
	rule       string
}

// rules are those of gitleaks and ours, each applied only near its keywords, so
// that the work grows linearly with the text. A rule is compiled when it is first applied.
type rules struct {
	trie     func() *ahocorasick.Trie // of all keywords
	searched atomic.Int64             // bytes
	general  func() []allowance       // of gitleaks, for all of its rules
	made     []madeRule
}

type madeRule struct {
	once sync.Once
	rule rule
}

func newRules() *rules {
	general := sync.OnceValue(func() []allowance { return allowances(gitleaksRules.Allow) })
	return &rules{made: make([]madeRule, len(ruleShapes)), general: general, trie: sync.OnceValue(func() *ahocorasick.Trie {
		texts := make([]string, len(keywords))
		for i, k := range keywords {
			texts[i] = k.text
		}
		return ahocorasick.NewTrieBuilder().AddStrings(texts).Build()
	})}
}

// rule returns a rule by its index.
func (r *rules) rule(i int) *rule {
	m := &r.made[i]
	m.once.Do(func() { m.rule = newRule(i, r.general) })
	return &m.rule
}

// near reports whether the text near a keyword that ends at end has what the rule requires there.
func near(i int, lower string, end int) bool {
	n := len(gitleaksRules.Rules)
	return i < n || ourRules[i-n].near == nil || ourRules[i-n].near(lower, end)
}

// A hit is a place where a rule must be applied.
type hit struct {
	rule  int // or named, for the name of a value
	start int // of the keyword
}

// named is used as the number of a rule for the search for values by their names.
const named = -1

// hits returns the places of a text where rules must be applied. lower is the text in lower case.
// raw means that the text is undecoded JSON, in which a character may be escaped.
func (r *rules) hits(text, lower string, raw bool) []hit {
	var out []hit
	found := runsOf(lower)
	r.walk(lower, func(start, end, i int) {
		k := &keywords[i]
		if k.named && (!raw || mayAssign(text, lower, start)) {
			out = append(out, hit{named, start})
		}
		for _, i := range k.rules {
			if near(i, lower, end) && !ruleShapes[i].far(found, run{start, end}, lower, raw) {
				out = append(out, hit{i, start})
			}
		}
	})
	return out
}

// far reports that no match begins at a keyword: something that every match contains is not near
// it.
func (f *shape) far(found textRuns, keyword run, lower string, raw bool) bool {
	return f.ended && !separated(lower, keyword.end, raw) || f.run >= shortRun && !found.near(keyword.start-f.length, keyword.end+f.reach(), f.run)
}

// separated reports whether the name of a value, which ends at end, may be followed by a separator
// in the sense of the gitleaks rules.
func separated(lower string, end int, raw bool) bool {
	reach := 20 + 3
	if raw {
		reach *= 2
	}
	for i := end; i < min(len(lower), end+reach+1); i++ {
		switch c := lower[i]; {
		case c == '=' || c == '>' || c == ':' || c == '|' || c == ',' || c == '?':
			return true
		case c == ' ' || c == '\t' || c == '.' || c == '-' || c == '_' || c == '\'' || c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80:
		default:
			return false
		}
	}
	return false
}

// A run is a sequence of word characters.
type run struct{ start, end int }

// textRuns are the runs of a text: those of length shortRun or more, and the long ones among them.
type textRuns struct{ short, long []run }

const (
	shortRun = 4
	longRun  = 16
)

func runsOf(lower string) (out textRuns) {
	start := 0
	for i := 0; i <= len(lower); i++ {
		if i < len(lower) && wordByte[lower[i]] {
			continue
		}
		if i-start >= longRun {
			out.long = append(out.long, run{start, i})
		}
		if i-start >= shortRun {
			out.short = append(out.short, run{start, i})
		}
		start = i + 1
	}
	return out
}

// wordByte marks the bytes that a word character may have: among them all bytes that are not ASCII,
// since (?i) matches some of them as letters.
var wordByte = func() (out [256]bool) {
	for c := range out {
		out[c] = c >= 0x80 || wordCharacter(rune(c))
	}
	return out
}()

// near reports whether a run of length n or more overlaps the text from start to end.
func (t textRuns) near(start, end, n int) bool {
	list := t.short
	if n >= longRun {
		list = t.long
	}
	for i := sort.Search(len(list), func(i int) bool { return list[i].end > start }); i < len(list) && list[i].start < end; i++ {
		if list[i].end-list[i].start >= n {
			return true
		}
	}
	return false
}

// lowered returns a text with ASCII letters in lower case. Every byte keeps its offset.
func lowered(text string) string {
	for i := range len(text) {
		if c := text[i]; c < 'A' || c > 'Z' {
			continue
		}
		out := []byte(text)
		for ; i < len(out); i++ {
			if c := out[i]; c >= 'A' && c <= 'Z' {
				out[i] = c + 'a' - 'A'
			}
		}
		return string(out)
	}
	return text
}

// reach is how far from its keyword a rule looks, at first.
func (f *shape) reach() int {
	if f.open {
		return f.length + openReach
	}
	return f.length
}

// find returns the secrets in a text, in order and without overlaps.
func (r *rules) find(ctx context.Context, text string) ([]span, error) {
	lower := lowered(text)
	s := search{rules: r, ctx: ctx, text: text, lower: lower}
	s.done = markersIn(text)
	hits := slices.DeleteFunc(r.hits(text, lower, false), func(h hit) bool { return s.inMarker(h.start) })
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.rule, b.rule) })
	for len(hits) > 0 {
		n := 1
		for n < len(hits) && hits[n].rule == hits[0].rule {
			n++
		}
		if err := s.ask(hits[:n]); err != nil {
			return nil, err
		}
		hits = hits[n:]
	}
	s.keys()
	if err := s.encoded(); err != nil {
		return nil, err
	}
	return apart(again(text, s.unmarked(s.found))), nil
}

// apart joins spans that overlap. The most specific of their rules names the result.
func apart(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(vague(a.rule), vague(b.rule)), cmp.Compare(a.rule, b.rule))
	})
	out := spans[:0]
	for _, s := range spans {
		last := len(out) - 1
		if last < 0 || s.start >= out[last].end {
			out = append(out, s)
			continue
		}
		if vague(s.rule) < vague(out[last].rule) {
			out[last].rule = s.rule
		}
		out[last].end = max(out[last].end, s.end)
	}
	return out
}

// vague ranks rules that only know that something is secret after those that know what it is.
func vague(rule string) int {
	switch rule {
	case generic:
		return 2
	case namedValue, urlCredentials, authorization, knownToken:
		return 1
	}
	return 0
}

// A search is the search of one text.
type search struct {
	*rules
	ctx         context.Context
	text, lower string
	found       []span
	done        []run // markers of secrets that were replaced before
}

// markersIn returns the places of markers in a text.
func markersIn(text string) (out []run) {
	if !strings.Contains(text, "redacted") {
		return nil
	}
	for _, m := range marker().FindAllStringIndex(text, -1) {
		out = append(out, run{m[0], m[1]})
	}
	return out
}

func (s *search) inMarker(at int) bool {
	i := sort.Search(len(s.done), func(i int) bool { return s.done[i].end > at })
	return i < len(s.done) && s.done[i].start <= at
}

// unmarked removes markers from spans. It keeps the rest of a span if that may be a secret.
func (s *search) unmarked(spans []span) []span {
	if len(s.done) == 0 {
		return spans
	}
	var out []span
	for _, f := range spans {
		cut := false
		for i := sort.Search(len(s.done), func(i int) bool { return s.done[i].end > f.start }); i < len(s.done) && s.done[i].start < f.end; i++ {
			cut = true
			if says(s.text[f.start:max(f.start, s.done[i].start)]) {
				out = append(out, span{f.start, s.done[i].start, f.rule})
			}
			f.start = s.done[i].end
		}
		if f.start < f.end && (!cut || says(s.text[f.start:f.end])) {
			out = append(out, f)
		}
	}
	return out
}

// says reports whether a part of a value has enough letters and digits to be more than punctuation
// around a marker.
func says(part string) bool {
	n := 0
	for i := range len(part) {
		if letterOrDigit(part[i]) {
			n++
		}
	}
	return n >= 3
}

func (s *search) add(start, end int, rule string) {
	s.found = append(s.found, span{start, end, rule})
}

// ask applies one rule at all of its hits, which are in order.
func (s *search) ask(hits []hit) error {
	if hits[0].rule == named {
		return s.assignments(hits)
	}
	r := s.rule(hits[0].rule)
	if r.named {
		for i, h := range hits {
			if i%64 == 0 && s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			s.askAt(r, h.start)
		}
		return nil
	}
	const slack = 8 // what stands beside a match tells whether a word ends there
	reach := r.reach() + slack
	for len(hits) > 0 {
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		start := max(0, hits[0].start-r.length-slack)
		end := hits[0].start + reach
		n := 1
		for n < len(hits) && hits[n].start-r.length-slack <= end && end-start < maxWindow {
			end = hits[n].start + reach
			n++
		}
		asked := s.askWithin(r, start, min(end, len(s.text)))
		hits = hits[n:]
		for len(hits) > 0 && (asked == len(s.text) || hits[0].start+reach < asked) {
			hits = hits[1:] // a match already covers them
		}
	}
	return nil
}

const (
	openReach = 4 << 10  // how far an unbounded rule looks at first
	maxWindow = 32 << 10 // the longest text that a rule searches at once
)

// askWithin applies a rule in a part of the text, which is extended while a match reaches its end.
// It returns that end.
func (s *search) askWithin(r *rule, start, end int) int {
	for {
		part := s.text[start:end]
		all := r.regex().FindAllStringSubmatchIndex(part, -1)
		if n := len(all); r.open && n > 0 && all[n-1][1] == len(part) && end < len(s.text) {
			end = min(len(s.text), end+max(end-start, openReach))
			continue
		}
		for _, m := range all {
			for i := range m {
				if m[i] >= 0 {
					m[i] += start
				}
			}
			s.take(r, m, m[0])
		}
		return end
	}
}

// askAt applies a rule for named values at a name that begins with a keyword.
func (s *search) askAt(r *rule, start int) {
	m := r.regex().FindStringSubmatchIndex(s.text[start:min(start+r.reach()+8, len(s.text))])
	if m == nil {
		return
	}
	for i := range m {
		if m[i] >= 0 {
			m[i] += start
		}
	}
	begin := start
	for begin > 0 && start-begin < 50 && (wordByte[s.text[begin-1]] && s.text[begin-1] < 0x80 || s.text[begin-1] == '.') {
		begin--
	}
	s.take(r, m, begin)
}

// take records the match of a rule, unless it is allowed. begin is where the match begins.
func (s *search) take(r *rule, m []int, begin int) {
	start, end := m[0], m[1]
	if r.group > 0 {
		start, end = m[2*r.group], m[2*r.group+1]
	} else {
		for i := 2; i < len(m); i += 2 {
			if m[i] >= 0 && m[i+1] > m[i] {
				start, end = m[i], m[i+1]
				break
			}
		}
	}
	if start < 0 {
		return
	}
	secret := strings.Trim(s.text[start:end], "\n")
	if secret == "" || r.entropy > 0 && entropyOf(secret) <= r.entropy || r.accept != nil && !r.accept(secret) {
		return
	}
	if r.id == generic && identity().MatchString(secret) && s.nameKind(begin) < tokenKind {
		return // Idempotency-Key, cache-key
	}
	if len(r.allow) > 0 && r.allowed(secret, strings.Trim(s.text[begin:m[1]], "\n"), s.lines(m[0], m[1])) {
		return
	}
	start += strings.Index(s.text[start:end], secret)
	s.add(start, start+len(secret), r.id)
}

// nameKind returns what the name that begins at start says about its value.
func (s *search) nameKind(start int) nameKind {
	from, to := nameAround(s.lower, start)
	return kindOf(s.text[from:to])
}

// lines returns the lines that contain a part of the text, limited to a useful length.
func (s *search) lines(start, end int) string {
	const far = 1 << 10
	for from := start - far; start > max(0, from) && s.text[start-1] != '\n'; {
		start--
	}
	for to := end + far; end < min(len(s.text), to) && s.text[end] != '\n'; {
		end++
	}
	return s.text[start:end]
}
