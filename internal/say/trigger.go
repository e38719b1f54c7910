package say

import (
	"cmp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// trigger says what made the agent start.
func (s explainer) trigger() string {
	g, reason := s.r.Trail.Trigger, s.why.Trigger
	switch s.r.Trail.Answers.Trigger {
	case record.Proven:
		if g != nil && g.Held && g.Found {
			return sentences(s.found(g, "found"), "The report was received from "+sender(g.Source)+s.scannedLate(g)+"; the agent's decision names it by its fingerprint (digest).")
		}
		if g != nil && g.Request != nil {
			return s.request(g)
		}
		return reason
	case record.Contradicted:
		if g != nil && g.Held && !g.Found && g.Finding != "" {
			return "The agent says that it started because of " + g.Finding + ". It names a report of " + scanner(g) + ", received from " + sender(g.Source) + ", which does not contain that finding."
		}
		return reason
	}
	switch { // first what is there, then what is missing
	case g == nil:
		return reason
	case g.Held && g.Found:
		return sentences(s.found(g, "lists"), "The report was received from "+sender(g.Source)+".", s.but(reason))
	case g.Request != nil:
		return sentences(s.request(g), s.but(reason))
	case !g.Held:
		return s.neverReceived(g, reason)
	}
	return reason
}

// neverReceived says what the agent names, that it was never received, and what to do.
func (s explainer) neverReceived(g *record.TriggerFacts, reason string) string {
	_, rest, found := strings.Cut(reason, "which was never received.")
	what, todo := naming(g)
	if !found || what == "" {
		return reason
	}
	names := "The agent names "
	if d := s.r.Trail.Decision; d != nil && !d.RecordedAt.IsZero() {
		names = "In its decision of " + When(d.RecordedAt) + " the agent names "
	}
	return sentences(names+what+". changetrail never received that; only the agent says so.", rest, todo)
}

// naming says in words what the agent names, and how it can still be sent.
func naming(g *record.TriggerFacts) (what, todo string) {
	kind := strings.ReplaceAll(g.Kind, "-", " ")
	switch {
	case g.Digest != "" || g.Kind == "scan" || g.Kind == "" && g.Finding != "":
		return report(g), "If the report still exists, have the scanner send it, or attach it (changetrail attach scan)."
	case g.ID != "":
		what = "the " + kind + " " + g.ID
	case g.Finding != "":
		what = "the finding " + g.Finding
	case g.URL != "":
		what = "what is at " + g.URL
	default:
		return "", ""
	}
	if g.Finding != "" && g.ID != "" {
		what += " about the finding " + g.Finding
	}
	return what, "Have the system that it comes from send it."
}

// report says which report the agent names, and which finding in it.
func report(g *record.TriggerFacts) string {
	what := "a report"
	if g.Finding != "" {
		what = "the finding " + g.Finding + " in a report"
	}
	if g.Scanner != "" {
		what += " of " + g.Scanner
	}
	if g.Digest != "" {
		what += " with the fingerprint (digest) " + g.Digest
	}
	return what
}

// but introduces what an answer lacks.
func (s explainer) but(reason string) string {
	if reason == "" {
		return ""
	}
	reason = strings.TrimSpace(reason)
	if first, _, _ := strings.Cut(reason, " "); first == "The" || first == "No" {
		reason = strings.ToLower(reason[:1]) + reason[1:] // a name keeps its case
	}
	return "But " + reason
}

func scanner(g *record.TriggerFacts) string {
	if g.Scanner == "" {
		return "a scanner"
	}
	return g.Scanner
}

// sender returns the name of a source, without the slash at the start of a relative source.
func sender(source string) string {
	if source == "" {
		return "an unnamed sender"
	}
	return strings.TrimPrefix(source, "/")
}

// found says which finding is in a report, and in which package or file.
func (s explainer) found(g *record.TriggerFacts, verb string) string {
	var b strings.Builder
	b.WriteString("The scan by " + scanner(g))
	if scan := s.r.Trail.ScanOf(g.Digest); scan != nil {
		b.WriteString(" of " + When(scan.At) + ",")
	}
	b.WriteString(" " + verb + " " + cmp.Or(g.Finding, "what the agent names"))
	var others []string
	for _, a := range g.Aliases {
		if !strings.EqualFold(a, g.Finding) {
			others = append(others, a)
		}
	}
	if len(others) > 0 {
		b.WriteString(", also known as " + some(others, 3) + ",")
	}
	switch {
	case g.Package != "":
		b.WriteString(" in " + strings.TrimSpace(g.Package+" "+g.Installed))
	case g.Path != "":
		b.WriteString(" in " + g.Path)
	}
	b.WriteString(bracketed(g.Severity, fixedIn(g.Fixed)))
	return strings.TrimSuffix(b.String(), ",") + "."
}

func fixedIn(version string) string {
	if version == "" {
		return ""
	}
	return "fixed in " + version
}

// bracketed joins the parts that are not empty, in brackets.
func bracketed(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// scannedLate says that the scan is later than the merge, if it is.
func (s explainer) scannedLate(g *record.TriggerFacts) string {
	if scan := s.r.Trail.ScanOf(g.Digest); scan != nil && s.afterMerge(scan.At) {
		return s.fromMerge(scan.At)
	}
	return ""
}

// requestNames are the words for the kinds of requests.
var requestNames = map[string]string{"prompt": "a prompt", "ticket": "ticket", "issue": "issue", "alert": "alert", "incident": "incident", "comment": "a comment"}

// request says which ticket or prompt asked the agent.
func (s explainer) request(g *record.TriggerFacts) string {
	q := g.Request
	kind, ok := requestNames[q.Kind]
	if !ok {
		kind = q.Kind
	}
	name := strings.TrimSpace(kind + " " + q.ID)
	if q.ID == "" && q.Kind != "prompt" && g.ID != "" {
		name = strings.TrimSpace(kind + " " + g.ID)
	}
	if q.Title != "" {
		name += " " + quoted(q.Title)
	}
	asked := "The agent was asked by " + name
	if len(q.AskedBy) > 0 {
		asked += ", from " + some(q.AskedBy, 3)
	}
	return asked + on(q.OpenedAt) + "; it was received from " + sender(q.Source) + "."
}
