package web

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
)

// maxGrant is the size of an approval in JSON, in bytes.
const maxGrant = 64 << 10

// apiGrants answers GET /v1/approvals with the approvals before work.
func (s *server) apiGrants(w http.ResponseWriter, r *http.Request) error {
	list, err := s.grantsFor(r.Context())
	if err != nil {
		return err
	}
	s.Access.Note(r, "list", "approvals")
	return writeJSON(w, map[string]any{"approvals": list})
}

// apiGrant answers POST /v1/approvals: the person who signed in gives an approval. The request
// repeats the form token of the session in the header X-Form-Token. Who it says the person is does not
// count.
func (s *server) apiGrant(w http.ResponseWriter, r *http.Request) error {
	who, cannot := s.mayDecide(r.Context())
	if cannot != "" {
		return refuse(http.StatusForbidden, "%s", cannot)
	}
	if s.Desk == nil {
		return refuse(http.StatusServiceUnavailable, "%v", errNoDesk)
	}
	var g approvals.Grant
	if err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxGrant), &g, json.RejectUnknownMembers(true)); err != nil {
		return refuse(http.StatusBadRequest, "the approval cannot be read: %v", err)
	}
	repository, err := record.ParseRepository(string(g.Repository))
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "repository: %v", err)
	}
	if err := s.mayDecideAbout(r.Context(), repository); err != nil {
		return err
	}
	switch g.Repository, g.Person = repository, who.ID; {
	case strings.TrimSpace(g.Reason) == "":
		return refuse(http.StatusUnprocessableEntity, "reason is missing; auditors read it")
	case g.Agent == "":
		return refuse(http.StatusUnprocessableEntity, "agent is missing: its id in the policy")
	case g.ID == "":
		g.ID = rand.Text()
	}
	standing, err := s.Desk.Grant(r.Context(), g)
	if err != nil {
		return problem.Of(err, http.StatusConflict)
	}
	s.Log.InfoContext(r.Context(), "a person approved work", "part", "access", "person", who.ID, "approval", standing.ID, "credential", access.Of(r.Context()).Name)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	return writeJSON(w, standing)
}
