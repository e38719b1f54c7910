//go:build servers

package away

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/internal/e2e/killtest"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/stream"
)

// The exit codes of changetrail gate.
const (
	allowed = 0
	unknown = 2
)

// A site is a Kafka with an enricher and a gateway that has a gate, each a process.
type site struct {
	t        *testing.T
	binary   string
	kafka    *servers.Server
	topics   stream.Topics
	dir      string
	url      string
	token    string // of a platform that may state and ask everything
	enricher *process
	gateway  *process
	events   int
}

// A process is a service of changetrail.
type process struct {
	cmd *exec.Cmd
	out *capture.Output
}

func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// start starts a service; in a shell, after a command, if there is one.
func (s *site) start(before string, args ...string) *process {
	s.t.Helper()
	args = append(args, "--brokers", s.kafka.Address, "--prefix", s.topics.Prefix)
	p := &process{exec.Command("sh", append([]string{"-c", before + `exec "$0" "$@"`, s.binary}, args...)...), new(capture.Output)}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, p.out, p.out
	p.cmd.Env = append(os.Environ(), "CHANGETRAIL_SIGNING_KEY="+strings.Repeat("key of the test ", 3))
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *site) startEnricher() {
	s.enricher = s.start("", "enrich", "--state-dir", "state", "--policy", "policy.yaml")
}

func (s *site) startGateway(before string) {
	address := strings.TrimPrefix(s.url, "http://")
	s.gateway = s.start(before, "gateway", "--listen", address, "--credentials", "credentials.yaml", "--gate-dir", "gate")
}

// ask runs changetrail gate, with a token.
func (s *site) ask(token string) (code int, out string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, "gate", change, "--gateway", s.url, "--commit", commit)
	cmd.Dir, cmd.Env = s.t.TempDir(), append(os.Environ(), "CHANGETRAIL_PRODUCER_TOKEN="+token)
	b, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// allows asks until the change is allowed: everything is there.
func (s *site) allows(token string) {
	s.t.Helper()
	out := ""
	for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(500 * time.Millisecond) {
		code := 0
		if code, out = s.ask(token); code == allowed {
			return
		}
	}
	s.t.Fatalf("the change is not allowed although everything is there: %s\ngateway: %s\nenricher: %s", out, s.gateway.out, s.enricher.out)
}

// tells asks once: the gate cannot tell, and says why.
func (s *site) tells(token, why string) {
	s.t.Helper()
	code, out := s.ask(token)
	if code != unknown || strings.Contains(out, "Allowed") || !strings.Contains(out, why) {
		s.t.Errorf("exit code %d, want %d with %q: %s", code, unknown, why, out)
	}
}

const (
	change = "github.com/acme/payments/pull/7"
	commit = "1111111111111111111111111111111111111111"
)

// report reports something about the change, which a person made.
func (s *site) report(kind, data string) {
	s.t.Helper()
	s.events++
	body := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"https://github.com/acme/payments","type":"dev.changetrail.change.%s.v1","time":%q,"subject":%q,"datacontenttype":"application/json","data":%s}`,
		s.events, kind, time.Now().UTC().Format(time.RFC3339), change, data)
	last := ""
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(200 * time.Millisecond) {
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/v1/events", bytes.NewReader([]byte(body)))
		if err != nil {
			s.t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/cloudevents+json")
		r.Header.Set("Authorization", "Bearer "+s.token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			last = err.Error()
			continue
		}
		_ = answer.Body.Close()
		if last = answer.Status; answer.StatusCode < 300 {
			return
		}
	}
	s.t.Fatalf("the event is not accepted: %s: %s", last, s.gateway.out)
}

// An issuer stands in for the OpenID Connect provider of a CI system: discovery, keys and tokens. It
// can be stopped, and started at the same address.
type issuer struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	server *httptest.Server
	listen string
}

func (i *issuer) start() {
	i.t.Helper()
	l, err := net.Listen("tcp", i.listen)
	if err != nil {
		i.t.Fatal(err)
	}
	i.listen = l.Addr().String()
	mux := http.NewServeMux()
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.MarshalWrite(w, v)
		})
	}
	url := "http://" + i.listen
	answer("/.well-known/openid-configuration", map[string]any{"issuer": url, "jwks_uri": url + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}})
	answer("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	i.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}}
	i.server.Start()
}

func (i *issuer) token() string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "http://" + i.listen, "aud": "changetrail", "sub": "job", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "repository": "acme/payments", "repository_owner": "acme",
	}).Serialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return raw
}

func newSite(t *testing.T, i *issuer) *site {
	t.Helper()
	kafka, err := servers.Kafka(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := kafka.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Kill)
	s := &site{t: t, binary: killtest.Build(t), kafka: kafka, topics: stream.Topics{Prefix: "away"}, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	_ = l.Close()
	token, digest := identity.NewToken()
	s.token = token
	for name, content := range map[string]string{
		"policy.yaml": "services: [{name: payments, repositories: [github.com/acme/payments], classification: critical}]\ndefault: review-required\n",
		"credentials.yaml": "tokens: [{name: hub, platform: github, sha256: " + digest + "}]\n" +
			"oidc: [{name: actions, issuer: http://" + i.listen + ", audience: changetrail, repository_claim: repository, repository_host: github.com, platform: github-actions, claims: {repository_owner: acme}}]\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.ensure()
	s.startEnricher()
	s.startGateway("")
	t.Cleanup(func() { s.gateway.kill(); s.enricher.kill() })
	return s
}

// ensure makes the topics that do not exist.
func (s *site) ensure() {
	s.t.Helper()
	admin, err := stream.NewAdmin(stream.Config{Brokers: []string{s.kafka.Address}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer admin.Close()
	specs := s.topics.Specs(2, 24*time.Hour)
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) { // a topic is deleted, and known, after a while
		_, err := admin.Ensure(s.t.Context(), specs, 1, false)
		for _, spec := range specs {
			_, unknown := admin.PartitionsOf(s.t.Context(), spec.Name)
			err = errors.Join(err, unknown)
		}
		if err == nil {
			return
		}
		if time.Since(began) > time.Minute {
			s.t.Fatal(err)
		}
	}
}

// TestWhileSomethingIsAwayNobodyMayMerge takes away one after another what the gate needs to answer
// about a change that it allows: changetrail gate exits with 2, says why, and never allows. When it is
// back, the change is allowed again.
func TestWhileSomethingIsAwayNobodyMayMerge(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, listen: "127.0.0.1:0"}
	i.start()
	t.Cleanup(func() { i.server.Close() })
	s := newSite(t, i)
	s.report("opened", `{"author":"mira.s","author_type":"human","head_sha":"`+commit+`","branch":"fix"}`)
	s.allows(s.token)

	t.Run("Kafka", func(t *testing.T) {
		s.t = t
		s.kafka.Kill()
		s.tells(s.token, "cannot tell")
		if err := s.kafka.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.allows(s.token)
	})
	t.Run("the enrichers", func(t *testing.T) {
		s.t = t
		s.enricher.kill()
		s.report("updated", `{"head_sha":"`+commit+`","title":"another one"}`)
		s.tells(s.token, "the enrichers have not read all events yet")
		s.startEnricher()
		s.allows(s.token)
	})
	t.Run("the folder of the gate, which is damaged", func(t *testing.T) {
		s.t = t
		s.gateway.end()
		manifests, err := filepath.Glob(filepath.Join(s.dir, "gate", "facts", "MANIFEST-*"))
		if err != nil || len(manifests) == 0 {
			t.Fatalf("no manifests: %v", err)
		}
		for _, name := range manifests {
			if err := os.WriteFile(name, []byte("something else"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.startGateway("")
		err = s.gateway.cmd.Wait()
		if err == nil || !strings.Contains(s.gateway.out.String(), "state folder gate") {
			t.Errorf("the gateway ended with %v: %s", err, s.gateway.out)
		}
		s.tells(s.token, "cannot be asked")
		if err := os.RemoveAll(filepath.Join(s.dir, "gate")); err != nil {
			t.Fatal(err)
		}
		s.startGateway("")
		s.allows(s.token)
	})
	t.Run("space on the disk of the gate", func(t *testing.T) {
		s.t = t
		s.gateway.end()
		s.startGateway("ulimit -f 0; ") // no file can grow
		time.Sleep(3 * time.Second)
		s.tells(s.token, "")
		s.gateway.kill()
		s.startGateway("")
		s.allows(s.token)
	})
	t.Run("the topic of policies", func(t *testing.T) {
		s.t = t
		client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Address))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), s.topics.Policies()); err != nil {
			t.Fatal(err)
		}
		s.tells(s.token, s.topics.Policies())
		s.ensure()
		s.enricher.end() // an enricher writes its policy when it starts
		s.startEnricher()
		s.allows(s.token)
	})
	t.Run("the issuer of the asker's token", func(t *testing.T) {
		s.t = t
		token := i.token()
		s.allows(token)
		s.gateway.end() // it knows the keys of the issuer
		i.server.Close()
		s.startGateway("")
		s.allows(s.token) // others may ask
		s.tells(token, "issuer")
		i.start()
		s.allows(i.token())
	})
}
