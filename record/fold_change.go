package record

import (
	"slices"
	"strings"
	"time"
)

// foldRevisions sets each attribute of the change from the best witness who states it.
func foldRevisions(r *Record, own []Event) {
	c := &r.Trail.Change
	s := newStatement(c.ID, own)
	r.Judged.stated = s
	for i, e := range own {
		rank := s.rank(e)
		if f := revisionOf(e.Fact); f != nil {
			foldRevision(c, s, f, rank)
			r.Judged.numbered(f.Author, f.AuthorID, &own[i])
		}
		switch f := e.Fact.(type) {
		case *Merged:
			s.text(&c.MergeSHA, attrMergeSHA, strings.ToLower(f.MergeSHA), rank)
			s.text(&c.MergedBy, attrMergedBy, f.MergedBy, rank)
		case *Closed:
			s.text(&c.ClosedBy, attrClosedBy, f.ClosedBy, rank)
		case *Pushed:
			if e.Change != "" {
				foldDirectPush(c, s, f, rank)
			}
		}
	}
	foldLife(r, own)
	switch c.State {
	case "merged":
		r.Event.Outcome = "success"
	case "closed":
		r.Event.Outcome = "failure"
	}
	r.Event.URL = c.URL
}

func foldRevision(c *Change, s *statement, f *Revision, rank int) {
	s.text(&c.Title, attrTitle, f.Title, rank)
	s.text(&c.URL, attrURL, f.URL, rank)
	s.text(&c.Author, attrAuthor, f.Author, rank)
	s.text(&c.HeadSHA, attrHead, strings.ToLower(f.HeadSHA), rank)
	s.text(&c.BaseRef, attrBase, f.BaseRef, rank)
	s.text(&c.Branch, attrBranch, f.Branch, rank)
	s.text(&c.Kind, attrKind, f.Kind, rank)
	s.text(&c.SBOMDigest, attrSBOM, f.SBOMDigest, rank)
	if (f.Additions != 0 || f.Deletions != 0) && s.accept(attrSize, "", rank) {
		c.Additions, c.Deletions = f.Additions, f.Deletions
	}
	if len(f.Dependencies) > 0 && s.accept(attrDependencies, "", rank) {
		c.Dependencies = smallest(nil, f.Dependencies, MaxDependencies, DependencyUpdate.compare)
	}
}

// A life is what witnesses of one kind say about the state of a change.
type life struct {
	state    string
	opened   time.Time
	closed   time.Time
	merge    *Event
	rank     int // of the witness of the merge
	mergedAt time.Time
}

// foldLife sets when the change was opened, merged and closed. If a platform reports that, claims
// of others do not count.
func foldLife(r *Record, own []Event) {
	c, s := &r.Trail.Change, r.Judged.stated
	l, claimed := lifeOf(own, s, rankObserved), lifeOf(own, s, rankClaim)
	r.Judged.mergeClaimed = l.merge == nil && claimed.merge != nil
	rank := rankObserved
	if l.state == "" {
		l, rank = claimed, rankClaim
	} else if r.Judged.mergeClaimed {
		s.accept(attrMerge, "merged", rankClaim) // a platform says that it is not merged
	}
	if l.state == "" {
		return
	}
	s.accept(attrState, "", rank)
	c.State, c.OpenedAt = l.state, l.opened
	if l.state == "closed" {
		c.ClosedAt = l.closed
	} else {
		c.ClosedBy = ""
	}
	if l.merge == nil {
		return
	}
	s.accept(attrMerge, "merged", rank)
	c.MergedAt = l.mergedAt
	if rank > rankClaim {
		r.Judged.MergedAt = l.mergedAt
		if f, ok := l.merge.Fact.(*Merged); ok && f.HeadSHA != "" {
			c.HeadSHA = strings.ToLower(f.HeadSHA) // a later push to the branch is not part of it
		}
	}
}

// lifeOf reads the facts whose witness has at least a rank; for rankClaim, all facts.
func lifeOf(own []Event, s *statement, least int) (l life) {
	for i := range own {
		e := &own[i]
		rank := s.rank(*e)
		if rank < least {
			continue
		}
		switch f := e.Fact.(type) {
		case *Opened:
			if l.opened.IsZero() {
				l.opened = e.Time
			}
			if l.state != "merged" {
				l.state = "open"
			}
		case *Updated:
			if l.state == "" || l.state == "closed" && f.State == "open" {
				l.state = "open"
			}
		case *Closed:
			if l.state != "merged" && l.state != "closed" {
				l.state, l.closed = "closed", orTime(f.ClosedAt, e.Time)
			}
		case *Merged:
			if !f.Earlier || l.merge == nil || rank > l.rank {
				l.merged(e, rank, orTime(f.MergedAt, e.Time))
			}
		case *Pushed:
			if e.Change != "" {
				l.merged(e, rank, e.Time)
			}
		case *Review:
			if f.ChangeState == "merged" && l.merge == nil && rank == rankHost && !decidesNothing(*e) { // nobody reported the merge itself
				l.merged(e, rank, e.Time)
			}
		}
	}
	return l
}

// merged records a merge, unless a better witness reported one.
func (l *life) merged(e *Event, rank int, at time.Time) {
	if l.merge == nil || rank >= l.rank {
		l.state, l.merge, l.rank, l.mergedAt = "merged", e, rank, at
	}
}

// foldInitiator sets who made the change, if the facts state it. The policy decides by which
// other marks an agent is recognized: see [Record.Recognize].
func foldInitiator(r *Record, f Facts) {
	c := &r.Trail.Change
	var by []string
	if r.GenAI != nil {
		by = append(by, "decision")
	}
	least := rankClaim
	if r.Judged.stated.known(attrState) {
		least = rankObserved
	}
	stated := ""
	for _, e := range f.Own {
		if r.Judged.stated.rank(e) < least {
			continue
		}
		if p, ok := e.Fact.(*Pushed); ok && p.PusherType == "human" {
			c.InitiatedBy = "human"
		}
		rev := revisionOf(e.Fact)
		if rev == nil {
			continue
		}
		switch rev.AuthorType {
		case "human":
			c.InitiatedBy = "human"
		case "bot":
			r.Marks.Bot = true
		case "agent":
			stated = orString(stated, orString(rev.Agent, strings.TrimSuffix(rev.Author, "[bot]")))
		}
		stated = orString(stated, rev.Agent)
	}
	if stated != "" {
		by = append(by, "stated")
		if least == rankObserved {
			r.Judged.hostAgent = stated
		}
	}
	agent := stated
	if len(f.Actions.Agents) > 0 {
		by = append(by, "actions")
		if r.GenAI == nil {
			agent = orString(agent, f.Actions.Agents[0])
		}
	}
	if len(by) > 0 {
		r.madeBy(agent, by)
	}
}

// Recognize sets the agent that the marks of a change identify, and by which of them; agent is
// empty if they identify none. person returns who is behind an account. The account that the code
// host saw outranks what a decision says about its agent: a decision of another agent is a claim
// about this one.
func (r *Record) Recognize(agent string, by []string, person func(account string) string) {
	seen := r.Judged.hostAgent
	if author := r.Trail.Change.Author; r.Judged.stated.known(attrAuthor) && agent != "" && slices.ContainsFunc(r.Judged.Names(author), func(name string) bool { return slices.Contains(by, "account "+name) }) {
		seen = agent
	}
	r.Judged.AgentSeen = seen != ""
	known := []string{seen}
	if seen == "" {
		known = slices.Concat(r.Judged.signers, r.Trail.Actions.signers())
		if len(by) > 0 && !r.Marks.Claimed {
			known = append(known, agent)
		}
	}
	if len(known) > 0 {
		r.decidedBy(known, person)
	}
	r.madeBy(agent, by)
	r.Judged.AgentClaimed = len(known) == 0
	if r.Judged.Agents = known; len(known) == 0 && r.GenAI != nil {
		r.Judged.Agents = []string{r.GenAI.Agent.ID}
	}
}

// decidedBy bases the record on a decision of one of the agents that are known to have made the
// change, if there is one.
func (r *Record) decidedBy(known []string, person func(account string) string) {
	mine := func(id string) bool {
		return slices.ContainsFunc(known, func(agent string) bool { return person(id) == person(agent) })
	}
	if r.GenAI == nil {
		r.GenAI = &GenAI{Agent: GenAIAgent{ID: known[0]}}
		return
	}
	if !mine(r.GenAI.Agent.ID) {
		foldDecision(r, r.Judged.facts, mine)
	}
	if id := r.GenAI.Agent.ID; !mine(id) {
		r.Judged.DecisionAgent = id
		r.GenAI = &GenAI{Agent: GenAIAgent{ID: known[0]}}
	}
}

// madeBy records that an agent made the change, and by what that is known.
func (r *Record) madeBy(agent string, by []string) {
	if len(by) == 0 {
		return
	}
	if r.GenAI == nil && agent != "" {
		r.GenAI = &GenAI{Agent: GenAIAgent{ID: agent}}
	}
	if r.GenAI == nil {
		return
	}
	c := &r.Trail.Change
	c.InitiatedBy = "agent"
	c.RecognizedBy = smallestStrings(c.RecognizedBy, by, maxListed)
	if r.Related != nil {
		r.Related.User = smallestStrings(r.Related.User, []string{r.GenAI.Agent.ID}, 2*maxListed)
	}
	if r.Message != "" {
		r.Message = summary(r)
	}
}

func revisionOf(f Fact) *Revision {
	switch f := f.(type) {
	case *Opened:
		return &f.Revision
	case *Updated:
		return &f.Revision
	case *Merged:
		return &f.Revision
	case *Closed:
		return &f.Revision
	}
	return nil
}

// foldKind sets the kind of the change if nobody stated it.
func foldKind(r *Record) {
	c := &r.Trail.Change
	if c.Kind != "" {
		return
	}
	switch t := r.Trail.Trigger; {
	case t != nil && t.Finding != "":
		c.Kind = "vulnerability-fix"
	case len(c.Dependencies) > 0:
		c.Kind = "dependency-update"
	default:
		c.Kind = KindOfFiles(c.Files)
	}
}

// Kinds returns the kinds of changes.
func Kinds() []string {
	return []string{"dependency-update", "vulnerability-fix", "code", "configuration", "test", "documentation"}
}

// KindOfFiles returns the kind that all paths have in common; code if they differ.
func KindOfFiles(files []string) string {
	kind := ""
	for _, f := range files {
		k := kindOfFile(strings.ToLower(f))
		if kind != "" && k != kind {
			return "code"
		}
		kind = k
	}
	return kind
}

func kindOfFile(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	ext := base[max(strings.LastIndexByte(base, '.'), 0):]
	switch {
	case strings.Contains("/"+path, "/test/"), strings.Contains("/"+path, "/tests/"), strings.Contains("/"+path, "/testdata/"),
		strings.Contains(base, "_test."), strings.Contains(base, ".test."), strings.Contains(base, ".spec."), strings.HasPrefix(base, "test_"):
		return "test"
	case ext == ".md", ext == ".rst", ext == ".adoc", ext == ".txt" && !strings.Contains(base, "requirements"), strings.HasPrefix("/"+path, "/docs/"):
		return "documentation"
	case ext == ".yaml", ext == ".yml", ext == ".toml", ext == ".ini", ext == ".conf", ext == ".env", ext == ".tf", ext == ".properties":
		return "configuration"
	}
	return "code"
}

func foldPeople(r *Record, f Facts) {
	c := r.Trail.Change
	if c.Author != "" {
		r.User = &User{c.Author}
	}
	people := []string{c.Author, c.MergedBy, c.ClosedBy}
	if r.GenAI != nil {
		people = append(people, r.GenAI.Agent.ID)
	}
	if d := r.Trail.Decision; d != nil {
		people = append(people, d.DelegatedBy)
	}
	if v := r.Trail.Review; v != nil {
		people = append(people, v.Reviewers...)
	}
	for _, a := range r.Trail.Approvals {
		people = append(people, a.Approver)
	}
	for _, d := range r.Trail.Deployments {
		people = append(people, d.Deployer)
	}
	people = append(people, f.Actions.Agents...)
	if people = smallestStrings(nil, people, 2*maxListed); len(people) > 0 {
		r.Related = &Related{User: people}
	}
}
