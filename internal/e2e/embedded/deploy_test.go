//go:build servers

package embedded

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/changetrail/changetrail/internal/capture"
)

// manifest reads the document of a kind from a file of deploy, as strictly as an API server.
func manifest(t *testing.T, file, kind string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(b), "\n---\n") {
		if strings.Contains(document, "\nkind: "+kind+"\n") {
			if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			return
		}
	}
	t.Fatalf("%s has no %s", file, kind)
}

// merge reports that a pull request was merged as a commit.
func merge(t *testing.T, p *process, pull map[string]any, sha string) {
	t.Helper()
	now, lea := time.Now().UTC().Format(time.RFC3339), map[string]any{"login": "lea", "type": "User"}
	pull["state"], pull["merged"], pull["merged_at"], pull["closed_at"], pull["updated_at"], pull["merged_by"], pull["merge_commit_sha"] = "closed", true, now, now, now, lea, sha
	deliver(t, p, "pull_request", "g-merge-"+sha, map[string]any{"action": "closed", "number": pull["number"], "repository": acmePayments, "sender": lea, "pull_request": pull})
}

// container runs the command of a container that a kubelet would start, with the variables of its
// manifest filled in.
func container(c corev1.Container, values map[string]string) (args, environ []string) {
	variables := map[string]string{}
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = values[e.ValueFrom.FieldRef.FieldPath]
		}
		if v, ok := values[e.Name]; ok {
			value = v
		}
		variables[e.Name] = value
		environ = append(environ, e.Name+"="+value)
	}
	for _, a := range c.Args {
		for name, value := range variables {
			a = strings.ReplaceAll(a, "$("+name+")", value)
		}
		if v, ok := values[a]; ok {
			a = v
		}
		args = append(args, a)
	}
	return args, environ
}

// TestDeploymentsAskTheGate runs the containers of the manifests for Argo CD and Kubernetes as a
// kubelet would. Neither can run here; the manifests and the reviews are checked and made with the
// types of the Kubernetes API.
func TestDeploymentsAskTheGate(t *testing.T) {
	p, token := newGateway(t)
	good, bad, never := strings.Repeat("ab", 20), strings.Repeat("cd", 20), strings.Repeat("ef", 20)
	reviewed := pullOfAgent(t, p, 431, strings.Repeat("1", 40))
	approve(t, p, reviewed)
	time.Sleep(1100 * time.Millisecond) // GitHub's times have no fractions of seconds: the review is before the merge
	merge(t, p, reviewed, good)
	merge(t, p, pullOfAgent(t, p, 432, strings.Repeat("2", 40)), bad)
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Run("Argo CD", func(t *testing.T) {
		var job batchv1.Job
		manifest(t, "argocd/presync.yaml", "Job", &job)
		if job.Annotations["argocd.argoproj.io/hook"] != "PreSync" || *job.Spec.BackoffLimit != 0 {
			t.Errorf("the job is no hook: %+v", job)
		}
		for sha, want := range map[string]int{good: allowed, bad: denied, never: unknown} {
			args, environ := container(job.Spec.Template.Spec.Containers[0], map[string]string{
				"metadata.annotations['changetrail.dev/repository']": "github.com/acme/payments", "metadata.annotations['changetrail.dev/commit']": sha,
				"CHANGETRAIL_PRODUCER_GATEWAY": p.page, "CHANGETRAIL_PRODUCER_TOKEN_FILE": secret, "10m": "1s",
			})
			if code, out := exit(t, environ, binary, args...); code != want {
				t.Errorf("%s: exit code %d, want %d: %s", sha, code, want, out)
			}
		}
	})
	t.Run("Kubernetes", func(t *testing.T) {
		ask := webhook(t, map[string]string{"CHANGETRAIL_PRODUCER_GATEWAY": p.page, "CHANGETRAIL_PRODUCER_TOKEN_FILE": secret})
		for _, c := range []struct{ name, sha, denial string }{
			{"reviewed", good, ""},
			{"not reviewed", bad, "When the change was merged, the record did not say that it was authorized"},
			{"unknown", never, "no event about this change was received"},
			{"no annotation", "", "set the annotations changetrail.dev/repository and changetrail.dev/commit"},
		} {
			if r := ask(c.sha); r.Allowed != (c.denial == "") || !r.Allowed && !strings.Contains(r.Result.Message, c.denial) {
				t.Errorf("%s: %+v %+v", c.name, r, r.Result)
			}
		}
	})
	t.Run("Kubernetes, the gateway is away", func(t *testing.T) {
		ask := webhook(t, map[string]string{"CHANGETRAIL_PRODUCER_GATEWAY": "http://127.0.0.1:1", "CHANGETRAIL_PRODUCER_TOKEN_FILE": secret})
		if r := ask(good); r.Allowed || !strings.Contains(r.Result.Message, "nobody knows") {
			t.Errorf("%+v", r)
		}
	})
}

// webhook starts the container of the webhook, and returns how to ask it about a deployment of a
// commit.
func webhook(t *testing.T, values map[string]string) func(sha string) *admissionv1.AdmissionResponse {
	t.Helper()
	var conf registrationv1.ValidatingWebhookConfiguration
	manifest(t, "kubernetes/admission.yaml", "ValidatingWebhookConfiguration", &conf)
	hook := conf.Webhooks[0]
	if *hook.FailurePolicy != registrationv1.Fail || *hook.SideEffects != registrationv1.SideEffectClassNone || !slices.Equal(hook.AdmissionReviewVersions, []string{"v1"}) || *hook.TimeoutSeconds < 9 {
		t.Errorf("the webhook is %+v", hook)
	}
	var deployment appsv1.Deployment
	manifest(t, "kubernetes/admission.yaml", "Deployment", &deployment)
	host := hook.ClientConfig.Service.Name + "." + hook.ClientConfig.Service.Namespace + ".svc"
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	roots := certificate(t, host, values)
	values[":8443"] = listen
	args, environ := container(deployment.Spec.Template.Spec.Containers[0], values)
	cmd := exec.Command(binary, args...)
	out := new(capture.Output)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.TempDir(), append(os.Environ(), environ...), out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host}}}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		res, err := client.Get("https://" + listen + deployment.Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path)
		if err == nil {
			_ = res.Body.Close()
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return func(sha string) *admissionv1.AdmissionResponse {
		t.Helper()
		return reviewed(t, client, "https://"+listen+*hook.ClientConfig.Service.Path, sha)
	}
}

// reviewed asks about a deployment as an API server does.
func reviewed(t *testing.T, client *http.Client, address, sha string) *admissionv1.AdmissionResponse {
	t.Helper()
	var d appsv1.Deployment
	d.APIVersion, d.Kind, d.Name = "apps/v1", "Deployment", "web"
	if sha != "" {
		d.Spec.Template.Annotations = map[string]string{"changetrail.dev/repository": "github.com/acme/payments", "changetrail.dev/commit": sha}
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	in := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID("705ab4f5-6393-11e8-b7cc-42010a800002"), Kind: metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
			Resource: metav1.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Name: "web", Namespace: "shop", Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
		},
	}
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Post(address, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", res.Status, err, b.String())
	}
	var out admissionv1.AdmissionReview
	if err := yaml.UnmarshalStrict(b.Bytes(), &out); err != nil { // JSON is YAML, too
		t.Fatalf("%v: %s", err, b.String())
	}
	if out.APIVersion != in.APIVersion || out.Kind != in.Kind || out.Response == nil || out.Response.UID != in.Request.UID {
		t.Fatalf("the answer is %s", b.String())
	}
	return out.Response
}

// certificate writes a certificate for host and its key, as cert-manager does, and says in values
// where they are.
func certificate(t *testing.T, host string, values map[string]string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: cert}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		values["/tls/"+name] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return roots
}
