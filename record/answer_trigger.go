package record

func (j *judge) trigger() (answer, reason string) {
	t, r := j.record.Trail.Trigger, j.record
	switch {
	case t == nil || t.ID == "" && t.Digest == "" && t.Finding == "" && t.URL == "":
		if j.open() {
			return j.pending("No decision names what made the agent start so far.")
		}
		return j.say(Unproven, GapNoTrigger, "No decision names what made the agent start.")
	case !t.Held && t.Request == nil:
		if j.open() {
			return j.pending("The agent names %s; nothing that holds it has come so far.", t.name())
		}
		return j.say(Partial, GapTriggerNotHeld, "The agent names %s; nothing holds it.", t.name())
	case t.Matched && t.Finding != "" && !t.Found && r.Judged.Decision == Signed: // whoever sent it: the digest says which report it is
		return j.say(Contradicted, GapFindingNotInReport, "The report that the decision names is held (%s), and %s does not stand in it.", t.Digest, t.Finding)
	case j.open() && (!j.heldIndependently() || r.Judged.Decision != Signed):
		return j.pending("%s is held; nobody has sent it so far who can know it, or the decision came without the agent's credential.", t.name())
	case r.Judged.TriggerAgent:
		return j.say(Partial, GapTriggerFromAgent, "%s is held as the agent itself sent it.", t.name())
	case !j.heldIndependently():
		return j.say(Partial, GapUnverifiedSource, "%s is held; nobody who can know it sent it.", t.name())
	case r.Judged.Decision != Signed:
		return j.say(Partial, GapUnverifiedSource, "%s is held; that the agent started for it is said without the agent's credential.", t.name())
	case !t.Held:
		return j.say(Proven, "", "The decision names the %s %s, which %s sent.", t.Request.Kind, t.name(), t.Request.Source)
	}
	return j.report(t)
}

// heldIndependently reports whether somebody who is no agent and can know it sent what the
// decision names.
func (j *judge) heldIndependently() bool {
	w := j.record.Judged.Trigger
	return w == Observed || w == Human
}

// report is the answer where a platform sent the report that a signed decision names.
func (j *judge) report(t *TriggerFacts) (answer, reason string) {
	switch {
	case t.Finding == "":
		return j.say(Partial, GapFindingNotStated, "The report of %s is held; which finding in it made the agent start is not said.", t.Scanner)
	case !t.Found:
		return j.say(Contradicted, GapFindingNotInReport, "The report that the decision names is held (%s), and %s does not stand in it.", t.Digest, t.Finding)
	case !t.Matched:
		return j.say(Partial, GapDigestNotStated, "%s stands in a report of %s; the decision does not state the digest of the report it read.", t.Finding, t.Scanner)
	}
	return j.say(Proven, "", "%s stands in the report of %s that the decision names by digest (%s), sent by %s.", t.Finding, t.Scanner, t.Digest, t.Source)
}

func (t *TriggerFacts) name() string {
	for _, s := range []string{t.Finding, t.ID, t.Digest, t.URL} {
		if s != "" {
			return s
		}
	}
	return t.Kind
}
