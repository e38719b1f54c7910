package record

import "fmt"

// An explainedGap is a gap and its explanation.
type explainedGap struct{ gap, reason string }

// explainedGaps collects gaps with their explanations.
type explainedGaps []explainedGap

func (l *explainedGaps) add(is bool, gap, format string, args ...any) {
	if is {
		*l = append(*l, explainedGap{gap, fmt.Sprintf(format, args...)})
	}
}

// partial returns the answer if something is lacking: it records every gap and explains the first
// one.
func (j *judge) partial(l explainedGaps) (answer, reason string) {
	for _, lack := range l {
		j.gap(lack.gap)
	}
	return Partial, l[0].reason
}

func (j *judge) trigger() (answer, reason string) {
	t := j.record.Trail.Trigger
	if t == nil || t.ID == "" && t.Digest == "" && t.Finding == "" && t.URL == "" {
		if j.open() {
			return j.pending("No decision names what made the agent start yet.")
		}
		return j.say(Unproven, GapNoTrigger, "No decision names what made the agent start.")
	}
	whole := t.Held && j.signed() && (j.triggerIsIndependent() || t.Matched && j.record.Judged.triggerOwn) // a claim accuses nobody
	if whole && t.Finding != "" && !t.Found {
		if j.record.Judged.reportPartial {
			return j.say(Partial, GapEvidenceIncomplete, "Only a part of the report that the decision names (%[2]s) could be read, and %[1]s is not in that part.", t.Finding, t.Digest)
		}
		return j.say(Contradicted, GapFindingNotInReport, "The report that the decision names (%s) does not contain %s.", t.Digest, t.Finding)
	}
	if better := j.betterTrigger(t); better != nil {
		if j.open() {
			return j.pending("%s What is missing may still arrive.", better[0].reason)
		}
		return j.partial(append(better, j.unstated(t)...))
	}
	if lacks := j.unstated(t); lacks != nil {
		return j.partial(lacks)
	}
	if !t.Held {
		return j.say(Proven, "", "The decision names the %s %s, which %s sent.", t.Request.Kind, t.name(), t.Request.Source)
	}
	return j.say(Proven, "", "%s is in the report of %s that the decision names by its fingerprint (digest, %s), received from %s.", t.Finding, t.Scanner, t.Digest, t.Source)
}

// ScanOf returns the scan that a report came from: the last before the decision, or else the first.
// It is nil if there is none.
func (t *Trail) ScanOf(digest string) (found *ScanFact) {
	d := t.Decision
	for i, scan := range t.Scans {
		if scan.Digest == digest && (found == nil || d != nil && scan.At.After(found.At) && !scan.At.After(d.RecordedAt)) {
			found = &t.Scans[i]
		}
	}
	return found
}

// triggerIsIndependent reports whether a witness who can know it, and is not an agent, sent what
// the decision names.
func (j *judge) triggerIsIndependent() bool { return canKnow(j.record.Judged.Trigger) }

// betterTrigger returns what a better witness could still prove.
func (j *judge) betterTrigger(t *TriggerFacts) (l explainedGaps) {
	held := t.Held || t.Request != nil
	l.add(!held, GapTriggerNotHeld, "The agent names %s, which was never received.", t.name())
	l.add(held && j.record.Judged.TriggerAgent, GapTriggerFromAgent, "The %s was sent only by the agent itself.", t.kindOf())
	l.add(held && !j.record.Judged.TriggerAgent && !j.triggerIsIndependent(), GapUnverifiedSource, "The %s was received, but its sender cannot vouch for it.", t.kindOf())
	l.add(!j.signed(), GapUnverifiedSource, "The decision that names %s came without the agent's credential.", t.name())
	return l
}

// unstated returns what the decision does not say about a report.
func (j *judge) unstated(t *TriggerFacts) (l explainedGaps) {
	if !t.Held && (t.Request != nil || t.Kind != "scan" && (&Trigger{Kind: t.Kind}).isRequest()) {
		return nil
	}
	l.add(t.Finding == "", GapFindingNotStated, "The decision does not say which finding in the report of %s made the agent start.", orString(t.Scanner, "the scanner"))
	l.add(!j.record.Judged.digestStated, GapDigestNotStated, "The decision does not state the fingerprint (digest) of the report that it names.")
	return l
}

func (t *TriggerFacts) name() string {
	for _, s := range []string{t.Finding, t.ID, t.Digest, t.URL} {
		if s != "" {
			return s
		}
	}
	return t.Kind
}

// kindOf returns what was received: the report, or the kind of the request.
func (t *TriggerFacts) kindOf() string {
	if t.Held || t.Request == nil {
		return "report"
	}
	return orString(t.Request.Kind, "request")
}
