package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/gate/desk"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/gateway"
	"github.com/changetrail/changetrail/internal/nearest"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/record"
)

// A Desk is where people decide about changes and about what agents ask for. It checks what it is
// given. Its errors are problems. A [desk.Desk] is one.
type Desk interface {
	Waiting(ctx context.Context) (*desk.Waiting, error)
	Decide(ctx context.Context, v desk.Verdict) (gate.Decision, error)
	Grants(ctx context.Context) ([]approvals.Standing, error)
	Grant(ctx context.Context, g approvals.Grant) (approvals.Standing, error)
	Revoke(ctx context.Context, r approvals.Revocation) (approvals.Standing, error)
	Refuse(ctx context.Context, r approvals.Refusal) error
}

// The paths of what people decide.
const (
	decideSuffix  = "/decide" // after the id of a change
	waitingPath   = "/v1/waiting"
	approvalsPath = "/v1/approvals"
	revokePath    = approvalsPath + "/{id}/revoke"
	refusePath    = "/v1/requests/{id}/refuse"
)

// maxApproval is the size of an approval in JSON, in bytes.
const maxApproval = 64 << 10

// List is what GET /v1/approvals answers.
type List struct {
	Approvals []approvals.Standing `json:"approvals"`
}

// Decisions answers requests of people: what waits for them, what they decide, and the approvals that
// they give before the work. It passes every other request on. People decide with their own
// credential; a platform's credential that may state approvals names the person. No agent may do either.
func Decisions(g *gateway.Gateway, d Desk, next http.Handler) http.Handler {
	s := deskServer{d}
	mux := http.NewServeMux()
	decide := g.Authenticated(s.decide)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if change, ok := strings.CutSuffix(r.URL.Path, decideSuffix); ok && r.Method == http.MethodPost && strings.HasPrefix(change, prefix) {
			decide.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	for pattern, f := range map[string]func(http.ResponseWriter, *http.Request, gateway.Sender) error{
		"GET " + waitingPath: s.waiting, "GET " + approvalsPath: s.list, "POST " + approvalsPath: s.grant, "POST " + revokePath: s.revoke, "POST " + refusePath: s.refuse,
	} {
		mux.Handle(pattern, g.Authenticated(f))
	}
	return mux
}

type deskServer struct{ desk Desk }

// personOf returns in whose name a sender speaks: their own, or the one that is stated.
func personOf(from gateway.Sender, stated string) (string, error) {
	if err := mayApprove(from); err != nil {
		return "", err
	}
	switch {
	case from.Platform != "" && stated == "":
		return "", problem.New(http.StatusUnprocessableEntity, "person is missing: the account of the person who decided")
	case from.Platform != "":
		return stated, nil
	case stated != "" && !strings.EqualFold(stated, from.Person):
		return "", problem.New(http.StatusForbidden, "the credential %s is that of %s, who decides for nobody else; leave out person", from.Name, from.Person)
	}
	return from.Person, nil
}

// mayApprove fails if a sender may neither read nor give approvals.
func mayApprove(from gateway.Sender) error {
	switch {
	case from.Person != "", from.Platform != "" && slices.Contains(from.May, settings.Approvals):
		return nil
	case from.Agent != "":
		return problem.New(http.StatusForbidden, "the credential %s is that of the agent %s: people approve what agents do, and agents ask for it (docs/approvals.md)", from.Name, from.Agent)
	case from.Platform != "":
		return problem.New(http.StatusForbidden, "the credential %s of the platform %s may not speak for people; may of the credential must list approvals", from.Name, from.Platform)
	}
	return problem.New(http.StatusForbidden, "without a credential nobody knows who you are, and only people approve; set gateway.credentials")
}

func (s deskServer) waiting(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	if err := mayApprove(from); err != nil {
		return err
	}
	all, err := s.desk.Waiting(r.Context())
	if err != nil {
		return err
	}
	out := desk.Waiting{
		Changes:  slices.DeleteFunc(slices.Clone(all.Changes), func(i pending.Item) bool { return !from.MayReportAbout(string(i.Change.Repository())) }),
		Requests: slices.DeleteFunc(slices.Clone(all.Requests), func(q desk.Request) bool { return !from.MayReportAbout(string(q.Repository)) }),
	}
	return answer(w, http.StatusOK, out)
}

// A Verdict is the body of POST /v1/changes/{id}/decide.
type Verdict struct {
	Verdict string `json:"verdict"` // approve or refuse
	Commit  string `json:"commit"`  // that the person saw
	Reason  string `json:"reason,omitempty"`
	Person  string `json:"person,omitempty"`
}

// The verdicts.
const (
	approve = "approve"
	refuse  = "refuse"
)

func (s deskServer) decide(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	change, err := record.ParseChange(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, prefix), decideSuffix))
	if err != nil {
		return problem.New(http.StatusBadRequest, "%v", err)
	}
	var v Verdict
	err = read(w, r, &v)
	if err == nil {
		v.Person, err = personOf(from, v.Person)
	}
	if err == nil {
		err = about(from, change.Repository())
	}
	if err != nil {
		return err
	}
	if v.Verdict != approve && v.Verdict != refuse {
		return problem.New(http.StatusUnprocessableEntity, "verdict %s", nearest.NotOne(v.Verdict, []string{approve, refuse}))
	}
	d, err := s.desk.Decide(r.Context(), desk.Verdict{Person: v.Person, Change: change, Commit: v.Commit, Approve: v.Verdict == approve, Reason: v.Reason})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, d)
}

func (s deskServer) list(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	if err := mayApprove(from); err != nil {
		return err
	}
	all, err := s.desk.Grants(r.Context())
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(g approvals.Standing) bool { return !from.MayReportAbout(string(g.Repository)) })
	return answer(w, http.StatusOK, List{all})
}

func (s deskServer) grant(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	var g approvals.Grant
	err := read(w, r, &g)
	if err == nil {
		g.Person, err = personOf(from, g.Person)
	}
	if err == nil {
		err = about(from, g.Repository)
	}
	if err != nil {
		return err
	}
	if g.ID == "" {
		g.ID = rand.Text()
	}
	standing, err := s.desk.Grant(r.Context(), g)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, standing)
}

func (s deskServer) revoke(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	var in approvals.Revocation
	err := read(w, r, &in)
	if err == nil {
		in.Person, err = personOf(from, in.Person)
	}
	if err != nil {
		return err
	}
	in.Grant = r.PathValue("id")
	if in.ID == "" {
		in.ID = rand.Text()
	}
	all, err := s.desk.Grants(r.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(g approvals.Standing) bool { return g.ID == in.Grant })
	switch {
	case i < 0:
		return problem.New(http.StatusNotFound, "there is no approval %s", in.Grant)
	case from.Person != "" && !strings.EqualFold(all[i].Person, from.Person):
		return problem.New(http.StatusForbidden, "%s gave the approval %s; on the pages an administrator may revoke it, too", all[i].Person, in.Grant)
	}
	if err := about(from, all[i].Repository); err != nil {
		return err
	}
	standing, err := s.desk.Revoke(r.Context(), in)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, standing)
}

func (s deskServer) refuse(w http.ResponseWriter, r *http.Request, from gateway.Sender) error {
	var in approvals.Refusal
	err := read(w, r, &in)
	if err == nil {
		in.Person, err = personOf(from, in.Person)
	}
	if err != nil {
		return err
	}
	in.Request = r.PathValue("id")
	if in.ID == "" {
		in.ID = rand.Text()
	}
	all, err := s.desk.Waiting(r.Context())
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all.Requests, func(q desk.Request) bool { return q.ID == in.Request }); i >= 0 {
		if err := about(from, all.Requests[i].Repository); err != nil {
			return err
		}
	}
	if err := s.desk.Refuse(r.Context(), in); err != nil {
		return err
	}
	return answer(w, http.StatusOK, in)
}

// about fails if a sender may not speak about a repository.
func about(from gateway.Sender, repository record.Repository) error {
	of, err := record.ParseRepository(string(repository))
	switch {
	case err != nil:
		return problem.New(http.StatusUnprocessableEntity, "repository: %v", err)
	case !from.MayReportAbout(string(of)):
		return problem.New(http.StatusForbidden, "the credential %s may not decide about %s", from.Name, of)
	}
	return nil
}

func read(w http.ResponseWriter, r *http.Request, into any) error {
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxApproval), into, json.RejectUnknownMembers(true))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem.New(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxApproval)
	case err != nil:
		return problem.New(http.StatusBadRequest, "the body cannot be read: %v", err)
	}
	return nil
}

func answer(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.MarshalWrite(w, body)
}
