package record

import "time"

// Limits of the lists in a record.
const (
	MaxFailing = 50
	maxListed  = 50
)

// Fold makes the record of change id from its facts. It depends only on the set of facts; f must
// come from [Gather], or from steps that keep what Gather keeps. The caller sets revision,
// digest, service and controls: it knows what was sent before and which policy is in force.
func Fold(id ChangeID, f Facts) *Record {
	repo, kind, number := id.Split()
	r := &Record{
		ECS:   Version{ECSVersion},
		Event: ECSEvent{Kind: "state", Category: []string{"configuration"}, Type: []string{"change"}, Dataset: "changetrail.record", Module: "changetrail"},
	}
	r.Trail.Change = Change{ID: id, Repository: repo, Number: number, URL: id.URL()}
	if kind == "commit" {
		r.Trail.Change.HeadSHA, r.Trail.Change.MergeSHA = number, number
	}
	foldNames(r, f)
	r.Trail.Change.PartOf = f.PartOf
	r.Trail.Events, r.Trail.LeftOut = f.Events(), f.LeftOut
	r.Timestamp = newest(f)

	all := union(f.Own, f.Evidence)
	foldRevisions(r, f.Own)
	foldPushes(r, f)
	foldFiles(r, f)
	foldReviews(r, f.Own)
	foldApprovals(r, f.Own)
	foldGate(r, f.Own)
	r.Marks.Accounts = r.Judged.allNames(r.Marks.Accounts)
	foldRefused(r, f.Own)
	foldDeployments(r, f, all)
	foldValidations(r, all)
	foldScans(r, all)
	r.Judged.facts = folded{decisions(f.Own), all}
	foldDecision(r, r.Judged.facts, nil)
	foldActions(r, f.Actions)
	foldRuns(r, f)
	foldInitiator(r, f)
	foldKind(r)
	foldPeople(r, f)
	foldTiers(r, f, all)
	foldIdentities(r, f, all)
	r.Trail.Change.Claimed = r.Judged.stated.claimed()
	r.Message = summary(r)
	return r
}

func newest(f Facts) time.Time {
	t := f.Actions.LastAt
	for _, e := range f.Own {
		if e.Time.After(t) {
			t = e.Time
		}
	}
	for _, e := range f.Evidence {
		if _, scan := e.Fact.(*Scan); !scan && e.Time.After(t) {
			t = e.Time
		}
	}
	return t
}

// union merges own and evidence, both in order, into one sequence with each fact once.
func union(own, evidence []Event) []*Event {
	out := make([]*Event, 0, len(own)+len(evidence))
	for len(own) > 0 || len(evidence) > 0 {
		from := &own
		if len(own) == 0 || len(evidence) > 0 && compareFull(evidence[0], own[0]) < 0 {
			from = &evidence
		}
		e := &(*from)[0]
		*from = (*from)[1:]
		if n := len(out); n == 0 || out[n-1].ID != e.ID || !sameFact(*out[n-1], *e) {
			out = append(out, e)
		}
	}
	return out
}

// An identity is the identity of an event: the parts of [Event.Key].
type identity struct{ sender, source, id string }

func identityOf(e *Event) identity { return identity{e.Sender, e.Source, e.ID} }

// distinctEvents counts the events of evidence that are not in own.
func distinctEvents(own, evidence []Event) int64 {
	if len(evidence) == 0 {
		return 0
	}
	seen := make(map[identity]bool, len(own)+len(evidence))
	for i := range own {
		seen[identityOf(&own[i])] = true
	}
	before := len(seen)
	for i := range evidence {
		seen[identityOf(&evidence[i])] = true
	}
	return int64(len(seen) - before)
}

// shown returns the newest part of a list in time order, as a document has it.
func shown[T any](all []T) []T { return all[max(0, len(all)-maxListed):] }

// shownSeen is shown, but drops claims before observations.
func shownSeen[T any](all []T, seen func(T) bool) []T {
	claims := 0
	for i := range all {
		if !seen(all[i]) {
			claims++
		}
	}
	drop := min(claims, len(all)-maxListed)
	kept := all[:0]
	for _, one := range all {
		if drop > 0 && !seen(one) {
			drop--
			continue
		}
		kept = append(kept, one)
	}
	return shown(kept)
}

func set(dst *string, v string) {
	if v != "" {
		*dst = v
	}
}

func orTime(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t.UTC()
}

func summary(r *Record) string {
	c := r.Trail.Change
	who := c.Author
	if r.GenAI != nil {
		who = r.GenAI.Agent.ID
	}
	text := c.Title
	if text == "" {
		text = string(c.ID)
	}
	if who != "" {
		text = who + ": " + text
	}
	if c.State != "" {
		text += " (" + c.State + ")"
	}
	return text
}

// foldIdentities sets whether the identities of events can be relied on.
func foldIdentities(r *Record, f Facts, all []*Event) {
	r.Judged.Shared = len(f.SharedSource()) > 0
	for _, e := range all {
		r.Judged.Altered = r.Judged.Altered || e.Altered
		r.Trail.Imported = r.Trail.Imported || e.Imported
	}
	foldMaskings(r, all)
}
