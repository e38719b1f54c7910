// Package say puts a record into sentences for people who do not know changetrail: what each answer
// is based on, with names and times, what each gap means, and what to do now.
//
// The pages, the command line and the MCP server use these sentences. The package reads only
// records. A sentence says no more than the record: if the record does not name who or when, the
// sentence is the reason in the record.
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

// An Answer is one of the four answers, in words.
type Answer struct {
	Name     string // one of the questions
	Question string
	Answer   string // record.Proven and others
	Means    string // the answer in plain words
	Sentence string
	AtMerge  string // the answer at the merge, if it was another
}

// Answers returns the answers of a record, in the order in which auditors ask. For a change that no
// agent made it returns only the review; for a record without answers, nothing.
func Answers(r *record.Record) []Answer {
	given := r.Trail.Answers
	if given == nil {
		return nil
	}
	s, then := explainerOf(r), new(record.Answers)
	if k := r.Trail.AtMerge; k != nil && k.Answers != nil {
		then = k.Answers
	}
	var out []Answer
	for _, a := range []struct {
		Answer
		sentence func() string
	}{
		{Answer{Name: Trigger, Question: "Which scan output triggered the agent?", Answer: given.Trigger, AtMerge: then.Trigger}, s.trigger},
		{Answer{Name: Alternatives, Question: "Which alternatives did it consider and reject?", Answer: given.Alternatives, AtMerge: then.Alternatives}, s.alternatives},
		{Answer{Name: Authorized, Question: "Was it authorized to change that service?", Answer: given.Authorized, AtMerge: then.Authorized}, s.authorized},
		{Answer{Name: Reviewed, Question: "Who reviewed before merge?", Answer: given.Reviewed, AtMerge: then.Reviewed}, s.reviewed},
	} {
		if a.Answer.Answer == "" {
			continue
		}
		a.Means = Means(a.Answer.Answer)
		a.Sentence = shortened(a.sentence())
		if a.AtMerge == a.Answer.Answer {
			a.AtMerge = "" // avoid saying the same twice
		}
		out = append(out, a.Answer)
	}
	return out
}

// Means returns an answer in plain words.
func Means(answer string) string {
	for _, a := range record.AllAnswers() {
		if a.Answer == answer {
			return a.Means
		}
	}
	return "not asked"
}

// An explainer makes the sentences of one record.
type explainer struct {
	r   *record.Record
	why *record.Reasons // empty if the record has none
}

func explainerOf(r *record.Record) explainer {
	if r.Trail.Reasons == nil {
		return explainer{r, new(record.Reasons)}
	}
	return explainer{r, r.Trail.Reasons}
}

// agent returns the agent as the start of a sentence.
func (s explainer) agent() string {
	if s.r.GenAI == nil || s.r.GenAI.Agent.ID == "" {
		return "The agent"
	}
	return s.r.GenAI.Agent.ID
}

// sentences joins the parts that are not empty.
func sentences(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

// list formats names: "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// some lists the first names, and how many more there are.
func some(names []string, most int) string {
	if len(names) <= most {
		return list(names)
	}
	return strings.Join(names[:most], ", ") + " and " + number(len(names)-most, "other")
}

func quoted(s string) string { return "“" + s + "”" }

var long = regexp.MustCompile(`\bsha256:[0-9a-f]{64}\b|\b[0-9a-f]{40}\b`)

// shortened abbreviates commits and digests in a text.
func shortened(text string) string {
	return long.ReplaceAllStringFunc(text, func(name string) string {
		if strings.HasPrefix(name, "sha256:") {
			return name[:19] + "…"
		}
		return Short(name)
	})
}

// evidence are the words for the kinds of evidence that a control may require.
var evidence = map[string]string{
	"trigger": "what made the agent start", "decision": "a complete decision of the agent", "authorization": "the review or approval that the policy requires", "delegator": "who asked for the work",
	"review": "an independent review", "approval": "an approval", "validation": "passing tests", "scan-at-head": "a scan of the merged commit", "sbom-delta": "a bill of materials of the change",
	"deployment": "a deployment", "deployer-not-author": "a deployer other than the author", "stream": "a record of its events",
}

// Evidence returns a kind of evidence in words.
func Evidence(kind string) string {
	if words := evidence[kind]; words != "" {
		return words
	}
	return strings.ReplaceAll(kind, "-", " ")
}

// Short returns the usual abbreviation of a commit.
func Short(commit string) string {
	if record.IsCommit(commit) && len(commit) > 7 {
		return commit[:7]
	}
	return commit
}
