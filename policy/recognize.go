package policy

import (
	_ "embed"
	"errors"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/changetrail/changetrail/record"
)

// Whose marks count.
const (
	recognizeKnown = "known" // those of the policy and of known agents
	recognizeOwn   = "own"   // those of the policy
)

//go:embed agents.yaml
var knownText []byte

// known are the agents that are recognized even if the policy does not list them.
var known = sync.OnceValues(func() ([]Agent, error) {
	var out []Agent
	err := yaml.Unmarshal(knownText, &out)
	return out, err
})

// Recognize returns the agent that made a change, and the marks by which it was recognized:
// accounts, the branch and trailers of commits. Agents of the policy come first, then known agents,
// then an account that the code host calls a bot and the policy does not list as one.
func (p *Policy) Recognize(m record.Marks) (agent string, by []string) {
	lists := [][]Agent{p.Agents}
	if p.Recognition != recognizeOwn {
		if more, err := known(); err == nil { // a test guards against this
			lists = append(lists, more)
		}
	}
	for _, list := range lists {
		for _, a := range list {
			if by := a.marksIn(m); len(by) > 0 {
				return a.ID, by
			}
		}
	}
	for i, account := range m.Accounts {
		if name, ok := cutBot(account); (ok || m.Bot && i == 0) && !p.isBot(account) {
			return name, []string{"account " + account}
		}
	}
	return "", nil
}

// marksIn returns the marks of a that are in m.
func (a Agent) marksIn(m record.Marks) (by []string) {
	for _, account := range m.Accounts {
		if a.is(account) {
			by = append(by, "account "+account)
		}
	}
	for _, mail := range m.Mails {
		if likeAny(a.Mails, mail) {
			by = append(by, "mail "+mail)
		}
	}
	for _, t := range m.Trailers {
		if likeAny(a.Trailers, t.Key+": "+t.Value) {
			by = append(by, "trailer "+t.Key)
		}
	}
	if m.Branch != "" && likeAny(a.Branches, m.Branch) {
		by = append(by, "branch "+m.Branch)
	}
	slices.Sort(by)
	return slices.Compact(by)
}

// is reports whether an account belongs to the agent.
func (a Agent) is(account string) bool {
	return strings.EqualFold(account, a.ID) || slices.ContainsFunc(a.Accounts, func(own string) bool { return fold(own) == fold(account) })
}

// cutBot returns an account without the suffix by which code hosts mark bots, and whether it had
// one.
func cutBot(account string) (name string, bot bool) {
	const mark = "[bot]"
	if n := len(account) - len(mark); n >= 0 && strings.EqualFold(account[n:], mark) {
		return account[:n], true
	}
	return account, false
}

func (a Agent) checkMarks(at place) error {
	var errs []error
	for _, list := range [][]string{a.Branches, a.Trailers, a.Mails} {
		for _, pattern := range list {
			if strings.Trim(pattern, "* ") == "" {
				errs = append(errs, at.wrong("", "the pattern %q matches everything; make it narrower", pattern))
			}
		}
	}
	for _, t := range a.Trailers {
		if key, value, ok := strings.Cut(t, ":"); !ok || strings.TrimSpace(key) == "" || strings.TrimSpace(value) == "" {
			errs = append(errs, at.wrong("trailers", "trailer %q is not of the form KEY: VALUE, such as \"Assisted-by: Claude*\"", t))
		}
	}
	return errors.Join(errs...)
}

func likeAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return like(strings.ToLower(p), strings.ToLower(s)) })
}

// like reports whether s matches a pattern in which * matches anything.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return len(s) >= len(last) && strings.HasSuffix(s, last)
}
