// Package admission answers Kubernetes whether an object may be created or changed (a validating
// webhook, AdmissionReview of admission.k8s.io/v1): whether the gate lets the commit be deployed that
// the object names.
//
// What is asked is the object's pods: the template of a workload, or the pod itself. Their
// annotations name the repository (changetrail.dev/repository) and the commit
// (changetrail.dev/commit, also as a label). What names no commit, or a commit that nobody knows, is
// denied, and so is everything while the gate cannot tell.
//
// It imports packages gate, record and schemas. It does not know how the gate is asked.
package admission

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// The annotations of pods. The commit may also be a label.
const (
	Repository = "changetrail.dev/repository" // such as github.com/acme/payments
	Commit     = "changetrail.dev/commit"     // with all its digits
)

// A Handler answers the reviews that an API server sends.
type Handler struct {
	// Deployable asks the gate whether a commit may be deployed. An error means that nobody knows.
	Deployable func(ctx context.Context, commit record.ChangeID) (gate.Decision, error)
	Log        *slog.Logger
}

// A review is an AdmissionReview of admission.k8s.io/v1, with the members that are needed here:
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID         string `json:"uid"`
	Kind        kind   `json:"kind"`
	SubResource string `json:"subResource"`
	Name        string `json:"name"`
	Namespace   string `json:"namespace"`
	Operation   string `json:"operation"`
	Object      object `json:"object"`
}

type kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

// An object is what all kinds here have in common; its members are those that kinds have.
type object struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Template    *template `json:"template"`
		JobTemplate *struct {
			Spec struct {
				Template *template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type template struct {
	Metadata metadata `json:"metadata"`
}

type metadata struct {
	Annotations map[string]string `json:"annotations"`
	Labels      map[string]string `json:"labels"`
}

type response struct {
	UID     string  `json:"uid"`
	Allowed bool    `json:"allowed"`
	Status  *status `json:"status,omitempty"`
}

type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
}

const apiVersion, reviewKind = "admission.k8s.io/v1", "AdmissionReview"

// maxReview is more than an API server sends: objects are limited to 3 MiB, and an update contains two.
const maxReview = 8 << 20

// ServeHTTP answers POST. A request that cannot be read gets an error, which denies the object if the
// webhook's failurePolicy is Fail.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send an AdmissionReview with POST", http.StatusMethodNotAllowed)
		return
	}
	if schemas.Media(r.Header.Get("Content-Type")) != schemas.ContentTypeJSON {
		http.Error(w, "the Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	in, err := read(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := review{APIVersion: apiVersion, Kind: reviewKind, Response: &response{UID: in.UID, Allowed: true}}
	if why := h.denied(r.Context(), in); why != "" {
		out.Response.Allowed, out.Response.Status = false, &status{Code: http.StatusForbidden, Reason: "Forbidden", Message: why}
	}
	h.Log.Info("admission", "kind", in.Kind.Kind, "namespace", in.Namespace, "name", in.Name, "allowed", out.Response.Allowed)
	w.Header().Set("Content-Type", "application/json")
	if err := json.MarshalWrite(w, out); err != nil {
		h.Log.Warn("an admission review cannot be answered", "err", err)
	}
}

// read reads a review and fails if it is not a request of the version that is known here.
func read(body []byte) (*request, error) {
	var in review
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return nil, fmt.Errorf("the body is not an AdmissionReview: %w", err)
	case in.APIVersion != apiVersion || in.Kind != reviewKind:
		return nil, fmt.Errorf("the body is %s of %s, not %s of %s; list v1 in admissionReviewVersions", printable.Beginning([]byte(in.Kind), 60), printable.Beginning([]byte(in.APIVersion), 60), reviewKind, apiVersion)
	case in.Request == nil || in.Request.UID == "":
		return nil, fmt.Errorf("the AdmissionReview has no request with a uid")
	}
	return in.Request, nil
}

// denied returns why an object may not be created or changed, or "".
func (h Handler) denied(ctx context.Context, in *request) string {
	if in.Operation != "CREATE" && in.Operation != "UPDATE" {
		return fmt.Sprintf("changetrail answers only about CREATE and UPDATE, not %s; correct the rules of the webhook", in.Operation)
	}
	m, err := pods(in)
	if err != nil {
		return err.Error()
	}
	commit, err := commitOf(m)
	if err != nil {
		return err.Error()
	}
	d, err := h.Deployable(ctx, commit)
	switch {
	case err != nil:
		return fmt.Sprintf("nobody knows whether %s may be deployed: %v", commit, err)
	case !d.Allowed:
		return fmt.Sprintf("%s: %s", d.Summary(), strings.Join(d.Reasons, " "))
	}
	return ""
}

// pods returns the metadata of the pods that an object is or creates.
func pods(in *request) (metadata, error) {
	o := in.Object
	switch {
	case in.SubResource != "":
	case in.Kind.Kind == "Pod" && in.Kind.Group == "":
		return o.Metadata, nil
	case in.Kind.Kind == "CronJob":
		if o.Spec.JobTemplate != nil && o.Spec.JobTemplate.Spec.Template != nil {
			return o.Spec.JobTemplate.Spec.Template.Metadata, nil
		}
	case o.Spec.Template != nil:
		return o.Spec.Template.Metadata, nil
	}
	return metadata{}, fmt.Errorf("changetrail finds no pods in %s/%s of group %q; correct the rules of the webhook", in.Kind.Kind, in.SubResource, in.Kind.Group)
}

// commitOf returns the commit that metadata name.
func commitOf(m metadata) (record.ChangeID, error) {
	sha, label := m.Annotations[Commit], m.Labels[Commit]
	switch {
	case sha == "":
		sha = label
	case label != "" && label != sha:
		return "", fmt.Errorf("the annotation %s is %q, but the label is %q", Commit, sha, label)
	}
	if sha == "" || m.Annotations[Repository] == "" {
		return "", fmt.Errorf("the pods do not say from which commit they are made: set the annotations %s and %s", Repository, Commit)
	}
	repo, err := record.ParseRepository(m.Annotations[Repository])
	if err != nil {
		return "", fmt.Errorf("annotation %s: %w", Repository, err)
	}
	if sha = strings.ToLower(sha); len(sha) != 40 && len(sha) != 64 || !record.IsCommit(sha) {
		return "", fmt.Errorf("annotation or label %s: %q is not a commit with all its digits", Commit, sha)
	}
	return repo.Change("/commit/" + sha), nil
}
