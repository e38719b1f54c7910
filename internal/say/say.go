// Package say puts a record into sentences that people understand without knowing changetrail:
// what each answer rests on, with names and times, and what each gap means and what to do now.
//
// The pages, the command line and the MCP server take their sentences from here. It reads
// records alone. A sentence says no more than the record: where the record does not name who
// or when, it is the reason that the record itself gives.
//
// It imports record.
package say

import (
	"regexp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// The questions that an auditor asks.
const (
	Trigger      = "trigger"
	Alternatives = "alternatives"
	Authorized   = "authorized"
	Reviewed     = "reviewed"
)

// An Answer is one of the four, in words.
type Answer struct {
	Name     string // one of the questions
	Question string
	Answer   string // record.Proven and others
	Means    string // the answer in plain words
	Sentence string
	AtMerge  string // what the answer was at the merge, where that was another
}

// Answers returns the answers of a record, in the order in which auditors ask. Of a change that
// no agent made only the review is asked. Without a judgement there are none.
func Answers(r *record.Record) []Answer {
	given := r.Trail.Answers
	if given == nil {
		return nil
	}
	s := speaker{r: r, why: r.Trail.Reasons, then: new(record.Answers)}
	if s.why == nil {
		s.why = new(record.Reasons)
	}
	if k := r.Trail.AtMerge; k != nil && k.Answers != nil {
		s.then = k.Answers
	}
	var out []Answer
	for _, a := range []struct {
		Answer
		sentence func() string
	}{
		{Answer{Name: Trigger, Question: "Which scan output triggered the agent?", Answer: given.Trigger, AtMerge: s.then.Trigger}, s.trigger},
		{Answer{Name: Alternatives, Question: "Which alternatives did it consider and reject?", Answer: given.Alternatives, AtMerge: s.then.Alternatives}, s.alternatives},
		{Answer{Name: Authorized, Question: "Was it authorized to change that service?", Answer: given.Authorized, AtMerge: s.then.Authorized}, s.authorized},
		{Answer{Name: Reviewed, Question: "Who reviewed before merge?", Answer: given.Reviewed, AtMerge: s.then.Reviewed}, s.reviewed},
	} {
		if a.Answer.Answer == "" {
			continue
		}
		a.Means = Means(a.Answer.Answer)
		a.Sentence = shortened(a.sentence())
		if a.AtMerge == a.Answer.Answer {
			a.AtMerge = "" // the same is not said twice
		}
		out = append(out, a.Answer)
	}
	return out
}

// Means says an answer in plain words.
func Means(answer string) string {
	for _, a := range record.AllAnswers() {
		if a.Answer == answer {
			return a.Means
		}
	}
	return "not asked"
}

// A speaker makes the sentences of one record.
type speaker struct {
	r    *record.Record
	why  *record.Reasons
	then *record.Answers
}

// agent is who made the change, for the beginning of a sentence.
func (s speaker) agent() string {
	if s.r.GenAI == nil || s.r.GenAI.Agent.ID == "" {
		return "The agent"
	}
	return s.r.GenAI.Agent.ID
}

// sentences joins those that are not empty.
func sentences(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

// list writes names as people do: "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// some is a list of the first names, and how many more there are.
func some(names []string, most int) string {
	if len(names) <= most {
		return list(names)
	}
	return strings.Join(names[:most], ", ") + " and " + number(len(names)-most, "other")
}

func quoted(s string) string { return "“" + s + "”" }

var long = regexp.MustCompile(`\bsha256:[0-9a-f]{64}\b|\b[0-9a-f]{40}\b`)

// shortened cuts commits and digests in a text to what people compare.
func shortened(text string) string {
	return long.ReplaceAllStringFunc(text, func(name string) string {
		if strings.HasPrefix(name, "sha256:") {
			return name[:19] + "…"
		}
		return Short(name)
	})
}

// evidence is what people call the kinds of evidence that a control may ask for.
var evidence = map[string]string{
	"trigger": "what made the agent start", "decision": "the agent's decision", "authorization": "what the policy requires", "delegator": "who asked for the work",
	"review": "an independent review", "approval": "an approval", "validation": "passing tests", "scan-at-head": "a scan of the merged commit", "sbom-delta": "a bill of materials of the change",
	"deployment": "a deployment", "deployer-not-author": "a deployer other than the author", "stream": "a record of its events",
}

// Evidence says in words a kind of evidence that a control asks for.
func Evidence(kind string) string {
	if words := evidence[kind]; words != "" {
		return words
	}
	return strings.ReplaceAll(kind, "-", " ")
}

// Short is a commit as people name it.
func Short(commit string) string {
	if record.IsCommit(commit) && len(commit) > 7 {
		return commit[:7]
	}
	return commit
}
