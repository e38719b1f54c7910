package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/record"
)

// reference is how an approval in a record says where it was given.
const reference = "inbox"

// Decide records what a person decides about a change, as far as that person can give what is missing,
// and returns what the gate answers then. An approval is recorded for the services that lack one, a
// review of the commit where that is missing. A refusal asks for changes of the commit, and withdraws
// what the person approved.
func (d *Desk) Decide(ctx context.Context, v Verdict) (gate.Decision, error) {
	d.deciding.Lock()
	defer d.deciding.Unlock()
	p, err := d.View.Preview(ctx, v.Change)
	switch {
	case errors.Is(err, enricher.ErrUnknownChange):
		return gate.Decision{}, refuse(http.StatusNotFound, "%v", err)
	case err != nil:
		return gate.Decision{}, away(err)
	}
	if err := check(p, v); err != nil {
		return gate.Decision{}, err
	}
	facts := refusal(v)
	if v.Approve {
		if facts, err = approval(p, v); err != nil {
			return gate.Decision{}, err
		}
	}
	for _, f := range facts {
		if err := d.Recorder.Record(ctx, p.Now.Trail.Change.ID, f, "inbox:"+rand.Text()); err != nil {
			return gate.Decision{}, away(fmt.Errorf("the decision may not be recorded: %w. Look at the change, and try again", err))
		}
	}
	decision, err := d.Gate.Ask(ctx, gate.Question{Change: v.Change, Commit: v.Commit})
	if err != nil {
		return decision, away(fmt.Errorf("the decision is recorded, but %w", err))
	}
	return decision, nil
}

// check refuses a decision that the person cannot give, or about another commit than the newest one.
func check(p *enricher.Preview, v Verdict) error {
	c := p.Now.Trail.Change
	switch {
	case c.State != "open" || c.PartOf != "":
		return refuse(http.StatusConflict, "Nothing was decided: %s is not open any more.", c.ID)
	case c.InitiatedBy != "agent":
		return refuse(http.StatusConflict, "Nothing was decided: no agent made %s, so that nothing waits for a person here.", c.ID)
	case v.Commit == "" || !record.SameCommit(v.Commit, c.HeadSHA):
		return refuse(http.StatusConflict, "Nothing was decided: %s has a newer commit, %s, than the one that you saw (%s). Look at it, and decide again.", c.ID, short(c.HeadSHA), short(v.Commit))
	case !v.Approve && strings.TrimSpace(v.Reason) == "":
		return refuse(http.StatusUnprocessableEntity, "Nothing was decided: to refuse, give a reason.")
	case !p.Policy.IsPerson(v.Person):
		return refuse(http.StatusForbidden, "Nothing was decided: %s is an agent or a bot; only people decide.", v.Person)
	case !p.Policy.Knows(v.Person):
		return refuse(http.StatusForbidden, "Nothing was decided: the policy does not list the account %s, so nobody can tell whether you made this change or asked for it. Add it to the accounts of a person in the policy.", v.Person)
	case !p.IfMerged.Judged.Independent(v.Person):
		return refuse(http.StatusForbidden, "Nothing was decided: %s took part in this change or asked for it, so somebody else must decide.", v.Person)
	}
	return nil
}

func short(commit string) string { return commit[:min(len(commit), 10)] }

// approval returns what an approval by a person records: what is missing and this person can give.
func approval(p *enricher.Preview, v Verdict) (facts []record.Fact, err error) {
	decision := gate.Decide(p, v.Commit, p.Now.Timestamp)
	switch {
	case decision.Allowed:
		return nil, nil // somebody gave it meanwhile, or the form came twice
	case decision.Verdict == record.Forbidden:
		return nil, refuse(http.StatusForbidden, "Nothing was decided: the policy forbids this change, so that no person can allow it.")
	case len(decision.Missing) == 0:
		return nil, refuse(http.StatusConflict, "Nothing was decided: nothing that a person can give is missing. %s", strings.Join(decision.Reasons, " "))
	}
	var scope, others []string
	reviews := false // a group must review
	review := false  // the person can give what is missing
	same := func(account string) bool { return p.Policy.Person(account) == p.Policy.Person(v.Person) }
	for i, u := range p.IfMerged.Judged.Unmet {
		reviews = reviews || u.Verdict != record.ApprovalRequired
		switch {
		case u.InGroup != nil && !u.InGroup(v.Person):
			others = append(others, decision.Missing[min(i, len(decision.Missing)-1)].Give())
		case slices.ContainsFunc(u.Approved, same):
			others = append(others, "an approval by somebody besides "+v.Person)
		case u.Verdict != record.ApprovalRequired:
			review = true
		case !slices.Contains(scope, u.Service):
			scope = append(scope, u.Service)
		}
	}
	review = review || !reviews && decision.Reviewed != record.Proven && decision.Reviewed != record.NotRequired
	if scope != nil {
		facts = append(facts, &record.Approval{Approver: v.Person, Verdict: "granted", Scope: named(scope), Reference: reference, Reason: v.Reason})
	}
	if review {
		facts = append(facts, &record.Review{Reviewer: v.Person, ReviewerType: "human", Verdict: "approved", CommitSHA: v.Commit})
	}
	if facts == nil {
		return nil, refuse(http.StatusForbidden, "Nothing was decided: %s cannot give what is missing: %s.", v.Person, strings.Join(others, "; "))
	}
	return facts, nil
}

// named returns a scope, or none if it has a service without a name: then it is the whole change.
func named(scope []string) []string {
	if slices.Contains(scope, "") {
		return nil
	}
	return scope
}

// refusal returns what a refusal records.
func refusal(v Verdict) []record.Fact {
	return []record.Fact{
		&record.Approval{Approver: v.Person, Verdict: "refused", Reference: reference, Reason: v.Reason},
		&record.Review{Reviewer: v.Person, ReviewerType: "human", Verdict: "changes-requested", CommitSHA: v.Commit},
	}
}
