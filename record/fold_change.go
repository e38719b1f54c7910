package record

import (
	"strings"
	"time"
)

func foldRevisions(r *Record, own []Event) {
	c := &r.Trail.Change
	for _, e := range own {
		switch f := e.Fact.(type) {
		case *Opened:
			if c.OpenedAt.IsZero() {
				c.OpenedAt = e.Time
			}
			if c.State != "merged" {
				c.State, c.ClosedAt, c.ClosedBy = "open", time.Time{}, ""
			}
			foldRevision(c, f.Revision)
		case *Updated:
			foldRevision(c, f.Revision)
		case *Merged:
			c.State, c.ClosedAt, c.ClosedBy = "merged", time.Time{}, ""
			c.MergedAt = orTime(f.MergedAt, e.Time)
			set(&c.MergeSHA, strings.ToLower(f.MergeSHA))
			set(&c.MergedBy, f.MergedBy)
			foldRevision(c, f.Revision)
		case *Closed:
			if c.State != "merged" {
				c.State, c.ClosedAt = "closed", e.Time
				set(&c.ClosedBy, f.ClosedBy)
			}
			foldRevision(c, f.Revision)
		}
	}
	switch c.State {
	case "merged":
		r.Event.Outcome = "success"
	case "closed":
		r.Event.Outcome = "failure"
	}
	r.Event.URL = c.URL
}

func foldRevision(c *Change, f Revision) {
	set(&c.Title, f.Title)
	set(&c.URL, f.URL)
	set(&c.Author, f.Author)
	set(&c.HeadSHA, strings.ToLower(f.HeadSHA))
	set(&c.BaseRef, f.BaseRef)
	set(&c.Branch, f.Branch)
	set(&c.Kind, f.Kind)
	if len(f.Files) > 0 {
		c.Files = smallestStrings(nil, f.Files, MaxFiles)
		c.FilesTotal = int64(len(f.Files))
	}
	if f.Additions != 0 || f.Deletions != 0 {
		c.Additions, c.Deletions = f.Additions, f.Deletions
	}
	set(&c.SBOMDigest, f.SBOMDigest)
	if len(f.Dependencies) > 0 {
		c.Dependencies = smallest(nil, f.Dependencies, MaxDependencies, DependencyUpdate.compare)
	}
}

// foldInitiator says who made the change, as far as the facts state it. By what
// else an agent may be known is for the policy to say: see [Record.Recognize].
func foldInitiator(r *Record, f Facts) {
	c := &r.Trail.Change
	var by []string
	if r.GenAI != nil {
		by = append(by, "decision")
	}
	stated := ""
	for _, e := range f.Own {
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
			stated = orString(stated, orString(rev.Agent, rev.Author))
		}
		stated = orString(stated, rev.Agent)
	}
	if stated != "" {
		by = append(by, "stated")
	}
	agent := stated
	if len(f.Actions.Agents) > 0 {
		by = append(by, "actions")
		if r.GenAI == nil {
			agent = orString(agent, f.Actions.Agents[0])
		}
	}
	if len(by) > 0 {
		r.Recognize(agent, by)
	}
}

// Recognize notes that an agent made the change, and by what that is known. An
// agent that a decision named stays.
func (r *Record) Recognize(agent string, by []string) {
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

// foldKind says what kind of change it is where nobody stated it.
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
		c.Kind = kindOfFiles(c.Files)
	}
}

// kindOfFiles names the one kind that all paths are of; code where they mix.
func kindOfFiles(files []string) string {
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
