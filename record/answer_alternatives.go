package record

func (j *judge) alternatives() (answer, reason string) {
	d := j.record.Trail.Decision
	if d == nil {
		if j.open() {
			return j.pending("No decision has been recorded yet.")
		}
		return j.say(Unproven, GapNoDecision, "No decision was recorded.")
	}
	chosen, others, bare := d.split()
	if chosen != nil {
		if answer, reason, done := j.done(chosen); done {
			return answer, reason
		}
	}
	if lacks := j.undecided(d, chosen, others, bare); lacks != nil {
		return j.partial(lacks)
	}
	return j.say(Proven, "", "%s was chosen, and each of the %d other options has a reason why it was not.", chosen.ID, others)
}

// undecided returns what a decision lacks.
func (j *judge) undecided(d *DecisionFacts, chosen *Option, others int, bare string) (l explainedGaps) {
	knownAt := j.record.Judged.DecisionKnownAt
	late := after(knownAt, j.merged, j.record.Judged.decisionArrived)
	stated := d.RecordedAt.After(j.merged)
	l.add(late && stated, GapDecisionAfterMerge, "The decision was recorded %s after the merge.", Elapsed(d.RecordedAt.Sub(j.merged)))
	l.add(late && !stated, GapToldAfterMerge, "The decision was received %s after the merge, although its date is before the merge.", Elapsed(knownAt.Sub(j.merged)))
	l.add(j.record.Judged.AlteredLog, GapEventAltered, "The decision was sent a second time with other content.")
	l.add(chosen == nil, GapNothingChosen, "The decision does not say which of its options was chosen.")
	l.add(others == 0, GapNoAlternatives, "The decision names no option besides the chosen one.")
	l.add(bare != "", GapRejectionNoReason, "Option %s was not chosen, and no reason is given.", bare)
	l.add(!j.signed(), GapUnverifiedSource, "The decision came without the credential of the agent that made the change.")
	return l
}

// split returns the option that was chosen, how many others there are, and the id of one of them
// that has no reason.
func (d *DecisionFacts) split() (chosen *Option, others int, bare string) {
	for i, o := range d.Options {
		if o.ID == d.Chosen {
			chosen = &d.Options[i]
			continue
		}
		others++
		if o.Reason == "" {
			bare = o.ID
		}
	}
	return chosen, others, bare
}

// done compares the chosen option with what was done. If the option has neither a package nor a
// version, they are read from a title that consists of nothing else; prose is not read.
func (j *judge) done(chosen *Option) (answer, reason string, done bool) {
	o, pinned := *chosen, false
	if o.Package == "" && o.To == "" {
		o, pinned = pin(chosen.Title)
	}
	if o.Package == "" || o.To == "" {
		return "", "", false
	}
	listed := j.record.Judged.Dependencies
	want, got, name, comparable := compareChosen(o, listed)
	switch {
	case !comparable:
		if !pinned && (len(listed) > 0 || !j.open()) {
			j.gap(GapChosenNotComparable)
		}
	case name != "" && j.signed():
		answer, reason = j.say(Contradicted, GapChosenNotDone, "The change brings %s to %s, not to %s as the chosen option says.", name, got, want)
		return answer, reason, true
	}
	return "", "", false
}
