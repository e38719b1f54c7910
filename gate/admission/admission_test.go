package admission_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/admission"
	"github.com/changetrail/changetrail/record"
)

var commit = strings.Repeat("a1", 20)

// serve returns a handler whose gate allows only commit of acme/payments, and does not know what
// begins with f.
func serve() http.Handler {
	return admission.Handler{Log: slog.New(slog.DiscardHandler), Deployable: func(_ context.Context, id record.ChangeID) (gate.Decision, error) {
		_, _, sha := id.Split()
		switch {
		case sha[0] == 'f':
			return gate.Decision{}, errors.New("503 Service Unavailable")
		case id == record.ChangeID("github.com/acme/payments/commit/"+commit):
			return gate.Decision{Allowed: true, Change: "github.com/acme/payments/pull/1", Head: sha}, nil
		}
		return gate.Decision{Change: "github.com/acme/payments/pull/2", Head: sha, Reasons: []string{"Nobody reviewed it."}}, nil
	}}
}

func post(t testing.TB, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admission", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	serve().ServeHTTP(w, r)
	return w
}

// asked returns a review of an object.
func asked(group, kind, operation, object string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1","kind":{"group":%q,"version":"v1","kind":%q},"name":"web","namespace":"shop","operation":%q,"userInfo":{"username":"ana"},"object":%s,"oldObject":null,"dryRun":false}}`, group, kind, operation, object)
}

func annotated(repository, sha string) string {
	return fmt.Sprintf(`{"annotations":{"changetrail.dev/repository":%q,"changetrail.dev/commit":%q}}`, repository, sha)
}

// TestWhatIsAdmitted: only what names a commit that the gate lets be deployed.
func TestWhatIsAdmitted(t *testing.T) {
	good := annotated("github.com/acme/payments", commit)
	for _, c := range []struct{ name, body, denial string }{
		{"a deployment", asked("apps", "Deployment", "CREATE", `{"metadata":{"name":"web"},"spec":{"template":{"metadata":`+good+`}}}`), ""},
		{"an update", asked("apps", "StatefulSet", "UPDATE", `{"spec":{"template":{"metadata":`+good+`}}}`), ""},
		{"a cron job", asked("batch", "CronJob", "CREATE", `{"spec":{"jobTemplate":{"spec":{"template":{"metadata":`+good+`}}}}}`), ""},
		{"a pod", asked("", "Pod", "CREATE", `{"metadata":`+good+`}`), ""},
		{"a label", asked("", "Pod", "CREATE", `{"metadata":{"annotations":{"changetrail.dev/repository":"https://github.com/acme/payments.git"},"labels":{"changetrail.dev/commit":"`+strings.ToUpper(commit)+`"}}}`), ""},
		{"two commits", asked("", "Pod", "CREATE", `{"metadata":{"annotations":{"changetrail.dev/repository":"github.com/acme/payments","changetrail.dev/commit":"`+commit+`"},"labels":{"changetrail.dev/commit":"b"}}}`), "but the label is"},
		{"annotations of the deployment alone", asked("apps", "Deployment", "CREATE", `{"metadata":`+good+`,"spec":{"template":{"metadata":{}}}}`), "set the annotations"},
		{"a pod with a template", asked("", "Pod", "CREATE", `{"metadata":{},"spec":{"template":{"metadata":`+good+`}}}`), "set the annotations"},
		{"a deployment with the template of a cron job", asked("apps", "Deployment", "CREATE", `{"spec":{"jobTemplate":{"spec":{"template":{"metadata":`+good+`}}}}}`), "finds no pods"},
		{"no annotations", asked("", "Pod", "CREATE", `{"metadata":{}}`), "set the annotations"},
		{"no repository", asked("", "Pod", "CREATE", `{"metadata":{"annotations":{"changetrail.dev/commit":"`+commit+`"}}}`), "set the annotations"},
		{"no repository's name", asked("", "Pod", "CREATE", `{"metadata":`+annotated("payments", commit)+`}`), "is not a repository"},
		{"a short commit", asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/payments", commit[:12])+`}`), "with all its digits"},
		{"no commit", asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/payments", strings.Repeat("z", 40))+`}`), "with all its digits"},
		{"a commit that was not reviewed", asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/payments", strings.Repeat("b", 40))+`}`), "Denied: github.com/acme/payments/pull/2 at bbbbbbbbb: Nobody reviewed it."},
		{"the same commit of another repository", asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/fork", commit)+`}`), "Denied"},
		{"the gate cannot tell", asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/payments", strings.Repeat("f", 40))+`}`), "nobody knows"},
		{"something without pods", asked("", "ConfigMap", "CREATE", `{"metadata":`+good+`}`), "finds no pods"},
		{"another operation", asked("", "Pod", "DELETE", `null`), "CREATE and UPDATE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := post(t, c.body)
			var out struct {
				APIVersion, Kind string
				Response         struct {
					UID     string
					Allowed bool
					Status  struct {
						Code    int
						Message string
					}
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &out, json.MatchCaseInsensitiveNames(true)); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%d %v: %s", w.Code, err, w.Body)
			}
			r := out.Response
			if out.APIVersion != "admission.k8s.io/v1" || out.Kind != "AdmissionReview" || r.UID != "u-1" {
				t.Errorf("the answer is %s", w.Body)
			}
			if r.Allowed != (c.denial == "") || !strings.Contains(r.Status.Message, c.denial) || !r.Allowed && r.Status.Code != http.StatusForbidden {
				t.Errorf("want a denial with %q: %s", c.denial, w.Body)
			}
		})
	}
}

// TestWhatIsNoReview: an API server that gets an error denies the object (failurePolicy: Fail).
func TestWhatIsNoReview(t *testing.T) {
	good := asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/payments", commit)+`}`)
	for name, body := range map[string]string{
		"empty": "", "no JSON": "hello", "a list": "[]", "cut": good[:len(good)/2], "another version": strings.Replace(good, "k8s.io/v1", "k8s.io/v1beta1", 1), "another kind": strings.Replace(good, "AdmissionReview", "Pod", 1),
		"no request": `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, "no uid": strings.Replace(good, "u-1", "", 1), "a name twice": strings.Replace(good, `"uid":`, `"uid":"x","uid":`, 1), "two values": good + good,
		"too long": good + strings.Repeat(" ", 8<<20),
	} {
		if w := post(t, body); w.Code < 400 || w.Code > 499 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	if serve().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admission", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
	w = httptest.NewRecorder()
	if serve().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admission", strings.NewReader(good))); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("without a Content-Type: %d", w.Code)
	}
}

// FuzzReview: nothing is allowed that does not name the one good commit.
func FuzzReview(f *testing.F) {
	f.Add(asked("", "Pod", "CREATE", `{"metadata":`+annotated("github.com/acme/payments", commit)+`}`))
	f.Add(asked("batch", "CronJob", "CREATE", `{"spec":{"jobTemplate":{"spec":{"template":{"metadata":{}}}}}}`))
	f.Fuzz(func(t *testing.T, body string) {
		w := post(t, body)
		if strings.Contains(w.Body.String(), `"allowed":true`) && !strings.Contains(strings.ToLower(body), commit) && !strings.Contains(body, `\u`) {
			t.Errorf("allowed: %s", body)
		}
	})
}
