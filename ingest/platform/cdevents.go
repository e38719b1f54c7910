package platform

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

// cdEvent is the part that is read of an event of CDEvents 0.3 to 0.5, and of the approvals of the
// 0.6 draft (https://cdevents.dev/docs/).
type cdEvent struct {
	Context struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string    `json:"id"`
		Source  string    `json:"source"`
		Content cdContent `json:"content"`
	} `json:"subject"`
	// CDEvents name neither the commit that a pipeline ran on nor, for most subjects, the change or
	// the repository. Senders may add them here.
	Custom jsontext.Value `json:"customData"`
}

type cdContent struct {
	Description  string       `json:"description"`
	Repository   *cdReference `json:"repository"`
	PipelineName string       `json:"pipelineName"`
	TaskName     string       `json:"taskName"`
	Outcome      string       `json:"outcome"`
	URI          string       `json:"uri"`
	URL          string       `json:"url"`
	TestCase     *cdNamed     `json:"testCase"`
	TestSuite    *cdNamed     `json:"testSuite"`
	PipelineRun  *cdReference `json:"pipelineRun"`  // of a task
	TestSuiteRun *cdReference `json:"testSuiteRun"` // of a test case
	Environment  *cdReference `json:"environment"`
	ArtifactID   string       `json:"artifactId"`
	Change       *cdReference `json:"change"`
	Summary      string       `json:"summary"`
	Creator      string       `json:"creator"`   // of a ticket
	TicketURI    string       `json:"ticketURI"` // of an incident

	// approval, 0.6 draft
	Decision string `json:"decision"`
	Status   string `json:"status"`
	Target   string `json:"resourceTargetUrl"`
	Details  string `json:"approvalDetailsUrl"`
	By       string `json:"responder"`
}

type cdReference struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Name   string `json:"name"`
	URL    string `json:"url"`
}

type cdNamed struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (n *cdNamed) name() string {
	switch {
	case n == nil:
		return ""
	case n.Name != "":
		return n.Name
	}
	return n.ID
}

// cdCustom is the supported content of customData.
type cdCustom struct {
	Repository string `json:"repository"`
	Change     string `json:"change"`
	Commit     string `json:"commit"`
	MergeSHA   string `json:"merge_sha"`
	Author     string `json:"author"`
	Reviewer   string `json:"reviewer"`
	Verdict    string `json:"verdict"`
	Title      string `json:"title"`
}

func readCDEvent(data []byte, repository record.Repository) (Reading, error) {
	var e cdEvent
	if err := decode(data, &e); err != nil {
		return Reading{}, err
	}
	subject, predicate := cdType(e.Context.Type)
	if subject == "" {
		return Reading{}, unreadable("context.type %q is not a type of CDEvents, such as dev.cdevents.change.merged.0.2.0", e.Context.Type)
	}
	var custom cdCustom
	_ = json.Unmarshal(e.Custom, &custom, jsontext.AllowInvalidUTF8(true)) // any form is allowed: it is the sender's own
	r := Reading{Time: e.Context.Timestamp}
	stated := e.repositories(custom)
	r.Repository = cmp.Or(append(stated, repository, e.origin())...)
	changes := e.changes(subject, custom, r.Repository)
	if err := oneOf(stated, changes); err != nil {
		return r, err
	}
	if len(changes) > 0 {
		r.Change = changes[0]
		if len(stated) == 0 {
			r.Repository = r.Change.Repository()
		}
	}
	var err error
	if r.Fact, err = e.fact(subject, predicate, custom, r.Change); err != nil {
		return r, err
	}
	if subject == "change" && r.Change == "" {
		return r, fmt.Errorf("%w: subject.id is %q; want its number, with the repository in subject.content.repository, or its id, such as github.com/acme/payments/pull/4829", ErrNotAChange, e.Subject.ID)
	}
	return r, nil
}

// cdType splits dev.cdevents.change.merged.0.2.0 into change and merged.
func cdType(t string) (subject, predicate string) {
	parts := strings.Split(strings.TrimPrefix(t, cdevent), ".")
	if !strings.HasPrefix(t, cdevent) || len(parts) < 2 {
		return "", ""
	}
	return parts[0], parts[1]
}

// repositories returns the repositories that e states, usually one.
func (e *cdEvent) repositories(custom cdCustom) (out []record.Repository) {
	if repo := repositoryAt(custom.Repository); repo != "" {
		out = append(out, repo)
	}
	ref := e.Subject.Content.Repository
	if ref == nil {
		return out
	}
	names := []string{ref.URL, ref.ID, ref.Source}
	if h := host(ref.Source); h != "" && strings.Contains(ref.ID, "/") {
		names = []string{ref.URL, ref.ID, h + "/" + ref.ID, ref.Source}
	}
	for _, name := range names {
		if repo := repositoryAt(name); repo != "" {
			return append(out, repo)
		}
	}
	return out
}

// origin returns the repository that the source of the subject may be. Often the source is a
// pipeline and not a repository.
func (e *cdEvent) origin() record.Repository {
	u, err := url.Parse(e.Subject.Source)
	if err != nil || u.Host == "" {
		return ""
	}
	return repositoryAt(u.Host + u.Path)
}

// changes returns the changes that e is about, usually one: each by its full name, or by its number
// if no full name came before.
func (e *cdEvent) changes(subject string, custom cdCustom, repo record.Repository) (out []record.ChangeID) {
	names := []string{custom.Change, e.Subject.Content.Target}
	if ref := e.Subject.Content.Change; ref != nil {
		names = append(names, ref.ID)
	}
	if subject == "change" {
		names = append(names, e.Subject.ID, e.Subject.Source)
	}
	for _, name := range names {
		id, err := record.ParseChange(name)
		if err != nil && len(out) == 0 && name != "" && repo != "" {
			id = numbered(repo, name)
		}
		if id != "" {
			out = append(out, id)
		}
	}
	return out
}

// oneOf refuses an event that states two repositories, two changes, or a change of another
// repository.
func oneOf(repos []record.Repository, changes []record.ChangeID) error {
	for _, id := range changes {
		if !strings.EqualFold(string(id), string(changes[0])) {
			return &Conflict{string(changes[0]), string(id), append(repos, changes[0].Repository(), id.Repository())}
		}
	}
	all := repos
	if len(changes) > 0 {
		all = append(all, changes[0].Repository())
	}
	for _, repo := range all {
		if !strings.EqualFold(string(repo), string(all[0])) {
			return &Conflict{string(all[0]), string(repo), all}
		}
	}
	return nil
}

// numbered returns the change with a number in a repository, or "".
func numbered(repo record.Repository, number string) record.ChangeID {
	kind := "/pull/"
	if strings.Contains(host("https://"+string(repo)), "gitlab") {
		kind = "/merge_requests/"
	}
	id, err := record.ParseChange(string(repo) + kind + strings.TrimLeft(number, "#!"))
	if err != nil {
		return ""
	}
	return id
}

func (e *cdEvent) fact(subject, predicate string, custom cdCustom, change record.ChangeID) (record.Fact, error) {
	c := e.Subject.Content
	note := noted("%s %s: %s", subject, predicate, strings.Join(strings.Fields(e.Subject.ID+" "+c.Summary), " "))
	note.CommitSHA = commit(custom.Commit)
	revision := record.Revision{Title: custom.Title, HeadSHA: commit(custom.Commit), Author: custom.Author}
	if revision.Title == "" {
		revision.Title = c.Description
	}
	switch subject + "." + predicate {
	case "change.created":
		return &record.Opened{Revision: revision}, nil
	case "change.updated":
		return &record.Updated{Revision: revision}, nil
	case "change.merged":
		return &record.Merged{Revision: revision, MergeSHA: commit(custom.MergeSHA)}, nil
	case "change.abandoned":
		return &record.Closed{Revision: revision}, nil
	case "change.reviewed":
		if verdict := reviewVerdicts[strings.ToLower(custom.Verdict)]; verdict != "" && custom.Reviewer != "" {
			return &record.Review{Reviewer: custom.Reviewer, Verdict: verdict, CommitSHA: commit(custom.Commit)}, nil
		}
	case "approval.closed", "approval.updated":
		if verdict := e.decided(); verdict != "" && change != "" && c.By != "" {
			return &record.Approval{Approver: account(c.By), Verdict: verdict, Reference: c.Details}, nil
		}
	case "pipelinerun.finished", "build.finished", "taskrun.finished", "testsuiterun.finished", "testcaserun.finished":
		return e.validation(subject, custom, change, note)
	case "ticket.created", "ticket.updated", "ticket.closed", "incident.detected", "incident.reported", "incident.resolved":
		return e.request(subject, predicate), nil
	case "artifact.packaged":
		note.Artifact = e.Subject.ID
	case "service.deployed", "service.upgraded", "service.rolledback":
		return e.deployment(predicate, custom, note), nil
	}
	return note, nil
}

// request returns a ticket or an incident.
func (e *cdEvent) request(subject, predicate string) *record.Request {
	c := e.Subject.Content
	return &record.Request{
		Kind: subject, ID: e.Subject.ID, URL: cmp.Or(c.URI, c.TicketURI), Title: cmp.Or(c.Summary, c.Description),
		Author: account(c.Creator), State: openOr(predicate == "closed" || predicate == "resolved"),
	}
}

// decided returns the verdict of an approval, or "" while there is none.
func (e *cdEvent) decided() string {
	switch c := e.Subject.Content; {
	case c.Decision == "approved" && (c.Status == "approved" || c.Status == ""):
		return "granted"
	case c.Decision == "rejected":
		return "refused"
	}
	return ""
}

var reviewVerdicts = map[string]string{"approved": "approved", "changes-requested": "changes-requested", "changes_requested": "changes-requested", "commented": "commented", "dismissed": "dismissed"}

// validation returns the result of a run, if e says what it tested: without a commit or a change it
// proves nothing.
func (e *cdEvent) validation(subject string, custom cdCustom, change record.ChangeID, note *record.Activity) (record.Fact, error) {
	c := e.Subject.Content
	sha := commit(custom.Commit)
	if sha == "" && change == "" {
		return note, nil
	}
	name, page := e.Subject.ID, c.URI
	for _, better := range []string{c.PipelineName, c.TaskName, c.TestSuite.name(), c.TestCase.name()} {
		if better != "" {
			name = better
		}
	}
	if page == "" {
		page = c.URL
	}
	v := record.Validation{Name: name, Provider: host(e.Subject.Source), Workflow: e.within(), RunID: cmp.Or(e.Subject.ID, name), CommitSHA: sha, URL: page}
	fact, err := validation(subject+" of CDEvents", v, c.Outcome, true)
	if err != nil {
		return nil, err
	}
	if v, ok := fact.(*record.Validation); ok && subject == "testcaserun" {
		switch v.Conclusion {
		case "success":
			v.Passed = 1
		case "failure", "error":
			v.Failed = 1
		}
	}
	return fact, nil
}

// within returns the run that a task or a test case belongs to: equal names in two runs are two
// checks.
func (e *cdEvent) within() string {
	for _, run := range []*cdReference{e.Subject.Content.PipelineRun, e.Subject.Content.TestSuiteRun} {
		if run != nil && run.ID != "" {
			return "run " + run.ID
		}
	}
	return ""
}

func (e *cdEvent) deployment(predicate string, custom cdCustom, note *record.Activity) record.Fact {
	c := e.Subject.Content
	if c.Environment == nil || c.Environment.ID == "" {
		return note
	}
	f := &record.Deployment{Environment: c.Environment.ID, CommitSHA: commit(custom.Commit), Outcome: "success", Artifact: c.ArtifactID}
	if predicate == "rolledback" {
		f.Outcome = "rolled-back"
	}
	if f.CommitSHA == "" { // the version in a package URL is often the commit
		version := c.ArtifactID[strings.LastIndexByte(c.ArtifactID, '@')+1:]
		version, _, _ = strings.Cut(version, "?")
		if len(version) == 40 {
			f.CommitSHA = commit(version)
		}
	}
	return f
}

// account returns the account in a URI: mailto:ana@acme.example, https://github.com/ana.
func account(uri string) string {
	if mail, ok := strings.CutPrefix(uri, "mailto:"); ok {
		return mail
	}
	uri = strings.TrimRight(uri, "/")
	return uri[strings.LastIndexByte(uri, '/')+1:]
}
