package record

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Limits of what a record keeps of the actions of an agent. The actions themselves are in the
// event stream.
const (
	MaxTools        = 64
	MaxAgents       = 16
	MaxFiles        = 200
	MaxDependencies = 100
	MaxMade         = 256
)

// Actions is what a record keeps of any number of actions: counts, bounded
// sets and a digest. Adding is commutative, so the order of arrival does not
// matter; the caller adds each event once.
type Actions struct {
	Count        int64              `json:"count" index:"long" doc:"number of actions"`
	Failed       int64              `json:"failed,omitempty" index:"long"`
	Refused      int64              `json:"refused,omitempty" index:"long"`
	Signed       int64              `json:"signed,omitempty" index:"long" doc:"number of actions that came with the agent's own credential"`
	FirstAt      time.Time          `json:"first_at,omitzero" index:"date"`
	LastAt       time.Time          `json:"last_at,omitzero" index:"date"`
	Tools        []string           `json:"tools,omitempty" index:"keyword"`
	Agents       []string           `json:"agents,omitempty" index:"keyword"`
	Files        []string           `json:"files,omitempty" index:"keyword"`
	Dependencies []DependencyUpdate `json:"dependencies,omitempty"`
	Made         []Made             `json:"made,omitempty" doc:"commits that the agent states it made, at most 256"`
	// Digest is the sum modulo 2^256 of the SHA-256 of each action's identity
	// and content: the same for the same set, in whatever order.
	Digest string `json:"digest,omitempty" index:"keyword" doc:"digest of all actions, independent of their order"`
}

// signers returns the agents that certainly reported their own actions.
func (a *Actions) signers() []string {
	if a == nil || a.Signed == 0 || a.Signed < a.Count && len(a.Agents) > 1 {
		return nil
	}
	return a.Agents
}

// A Made is a commit that a run of an agent says it made.
type Made struct {
	CommitSHA string `json:"commit_sha" index:"keyword"`
	Run       string `json:"run" index:"keyword"`
}

func (m Made) compare(o Made) int { return cmpStrings(m.CommitSHA, o.CommitSHA, m.Run, o.Run) }

// Outcomes is what the reports of one action have stated so far.
type Outcomes uint8

const (
	outcomeDone Outcomes = 1 << iota
	outcomeFailed
	outcomeRefused
	outcomeSigned
)

// outcomeOf returns what one report states.
func outcomeOf(e Event, f *Action) Outcomes {
	t := outcomeDone
	if e.Witness == Signed {
		t |= outcomeSigned
	}
	switch f.Outcome {
	case "failure":
		t |= outcomeFailed
	case "refused":
		t |= outcomeRefused
	}
	return t
}

// MultiReport reports whether e may be reported more than once with other content: a
// call of a tool whose event has the id of the call. A hook and the telemetry of one agent
// both report it, and it is one action.
func MultiReport(e Event) bool {
	a, ok := e.Fact.(*Action)
	return ok && a.CallID != "" && a.CallID == e.ID
}

// ReportKey returns the identity of e. If several sources may report e, it is the identity of this
// report.
func (e Event) ReportKey() string {
	if MultiReport(e) {
		return e.Key() + "\x00" + e.Digest
	}
	return e.Key()
}

// Add counts one report of an action. before is what earlier reports of the same action stated;
// Add returns what all of them state.
func (a *Actions) Add(e Event, f *Action, before Outcomes) Outcomes {
	said := outcomeOf(e, f)
	count := func(n *int64, what Outcomes) {
		if said&^before&what != 0 {
			*n++
		}
	}
	count(&a.Count, outcomeDone)
	count(&a.Failed, outcomeFailed)
	count(&a.Refused, outcomeRefused)
	count(&a.Signed, outcomeSigned)
	if a.FirstAt.IsZero() || e.Time.Before(a.FirstAt) {
		a.FirstAt = e.Time
	}
	if e.Time.After(a.LastAt) {
		a.LastAt = e.Time
	}
	a.Tools = smallestStrings(a.Tools, []string{f.Tool}, MaxTools)
	a.Agents = smallestStrings(a.Agents, []string{f.Agent.ID}, MaxAgents)
	a.Files = smallestStrings(a.Files, f.Files, MaxFiles)
	a.Dependencies = smallest(a.Dependencies, f.Dependencies, MaxDependencies, DependencyUpdate.compare)
	if f.CommitSHA != "" {
		for _, run := range runNames(f.Agent, e.Trace) {
			a.made(Made{strings.ToLower(f.CommitSHA), run})
		}
	}
	a.Digest = addDigest(a.Digest, e)
	return before | said
}

// Merge adds the sums of other actions.
func (a *Actions) Merge(o Actions) {
	a.Count, a.Failed, a.Refused, a.Signed = a.Count+o.Count, a.Failed+o.Failed, a.Refused+o.Refused, a.Signed+o.Signed
	if a.FirstAt.IsZero() || !o.FirstAt.IsZero() && o.FirstAt.Before(a.FirstAt) {
		a.FirstAt = o.FirstAt
	}
	if o.LastAt.After(a.LastAt) {
		a.LastAt = o.LastAt
	}
	a.Tools = smallestStrings(a.Tools, o.Tools, MaxTools)
	a.Agents = smallestStrings(a.Agents, o.Agents, MaxAgents)
	a.Files = smallestStrings(a.Files, o.Files, MaxFiles)
	a.Dependencies = smallest(a.Dependencies, o.Dependencies, MaxDependencies, DependencyUpdate.compare)
	a.Made = smallest(a.Made, o.Made, MaxMade, Made.compare)
	a.Digest = sumDigests(a.Digest, o.Digest)
}

func (a *Actions) made(m Made) {
	if !slices.Contains(a.Made, m) { // most commits were named by another action
		a.Made = smallest(a.Made, []Made{m}, MaxMade, Made.compare)
	}
}

// inTree removes the root of the work tree from absolute paths, which telemetry reports. The root
// is the part before a path that is known in relative form, from the change or from other
// reports. The result is sorted, without repeats.
func inTree(files, ofChange []string) []string {
	if !slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(f, "/") }) {
		return files // the usual case
	}
	known := make(map[string]bool)
	for _, f := range slices.Concat(files, ofChange) {
		known[f] = !strings.HasPrefix(f, "/")
	}
	var roots []string
	for _, f := range files {
		if root, ok := rootOf(f, known); ok {
			roots = append(roots, root)
		}
	}
	slices.Sort(roots) // a root that contains another comes first
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f
		for _, root := range roots {
			if rel, ok := strings.CutPrefix(f, root); ok {
				out[i] = rel
				break
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rootOf returns the part of an absolute path before the longest relative path that is known.
func rootOf(path string, known map[string]bool) (root string, ok bool) {
	if !strings.HasPrefix(path, "/") {
		return "", false
	}
	for i := 1; ; {
		if known[path[i:]] {
			return path[:i], true
		}
		next := strings.IndexByte(path[i:], '/')
		if next < 0 {
			return "", false
		}
		i += next + 1
	}
}

func (d DependencyUpdate) compare(o DependencyUpdate) int {
	return cmpStrings(d.Name, o.Name, d.Ecosystem, o.Ecosystem, d.From, o.From, d.To, o.To)
}

func addDigest(sum string, e Event) string {
	h := sha256.Sum256([]byte(e.Key() + "\x00" + e.Digest))
	return sumDigests(sum, digestSum+hex.EncodeToString(h[:]))
}

const digestSum = "sum256:"

// sumDigests adds two sums; "" means none.
func sumDigests(a, b string) string {
	x, _ := hex.DecodeString(strings.TrimPrefix(a, digestSum))
	y, _ := hex.DecodeString(strings.TrimPrefix(b, digestSum))
	if len(x) != sha256.Size {
		return b
	}
	if len(y) != sha256.Size {
		return a
	}
	var carry uint64
	for i := sha256.Size - 8; i >= 0; i -= 8 {
		var s uint64
		s, carry = bits.Add64(binary.BigEndian.Uint64(x[i:]), binary.BigEndian.Uint64(y[i:]), carry)
		binary.BigEndian.PutUint64(x[i:], s)
	}
	return digestSum + hex.EncodeToString(x)
}

// Sort sorts the sets and removes repeats.
func (a *Actions) Sort() {
	a.Tools = smallestStrings(a.Tools, nil, MaxTools)
	a.Agents = smallestStrings(a.Agents, nil, MaxAgents)
	a.Files = smallestStrings(a.Files, nil, MaxFiles)
	a.Dependencies = smallest(a.Dependencies, nil, MaxDependencies, DependencyUpdate.compare)
	a.Made = smallest(a.Made, nil, MaxMade, Made.compare)
}
