//go:build servers

package e2e

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/internal/servers"
	"github.com/changetrail/changetrail/schemas"
)

// TestOverTLSWithAPassword runs setup, publish and doctor against a broker
// that asks for TLS and SASL, with each mechanism, and against engines behind
// TLS that ask for a password or an API key. The broker's and the engines' TLS
// is real; the engines' log-in is that of a proxy before them, since their
// security plugins are not to be had as artefacts.
func TestOverTLSWithAPassword(t *testing.T) {
	scramUser(t, kadm.ScramSha256, "scram256")
	scramUser(t, kadm.ScramSha512, "scram512")
	binary := build(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(servers.User+":"+servers.Password))
	for _, test := range []struct {
		mechanism, user string
		engine          string
		authorization   string // what the engine's proxy asks for
		login           []string
	}{
		{"PLAIN", servers.User, schemas.OpenSearch, basic, []string{"CHANGETRAIL_SINK_USERNAME=" + servers.User, "CHANGETRAIL_SINK_PASSWORD=" + servers.Password}},
		{"SCRAM-SHA-256", "scram256", schemas.Elasticsearch, basic, []string{"CHANGETRAIL_SINK_USERNAME=" + servers.User, "CHANGETRAIL_SINK_PASSWORD=" + servers.Password}},
		{"SCRAM-SHA-512", "scram512", schemas.Elasticsearch, "ApiKey a2V5OnNlY3JldA==", []string{"CHANGETRAIL_SINK_API_KEY=a2V5OnNlY3JldA=="}},
	} {
		t.Run(test.mechanism+" "+test.engine, func(t *testing.T) {
			address, ca := behindTLS(t, engines[test.engine], test.authorization)
			name := strings.ToLower(strings.ReplaceAll(test.mechanism, "-", ""))
			password := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(password, []byte(servers.Password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			env := append(os.Environ(), "CHANGETRAIL_KAFKA_BROKERS="+broker.Secure, "CHANGETRAIL_KAFKA_PREFIX="+name, "CHANGETRAIL_NAMESPACE="+name, "CHANGETRAIL_KAFKA_PARTITIONS=2",
				"CHANGETRAIL_KAFKA_TLS_ENABLED=true", "CHANGETRAIL_KAFKA_TLS_CA_FILE="+broker.CAFile,
				"CHANGETRAIL_KAFKA_SASL_MECHANISM="+test.mechanism, "CHANGETRAIL_KAFKA_SASL_USER="+test.user,
				"CHANGETRAIL_SINK_ENGINE="+test.engine, "CHANGETRAIL_SINK_ADDRESSES="+address, "CHANGETRAIL_SINK_CA_FILE="+ca, trustedSetting)
			run := func(env []string, args ...string) (string, error) {
				cmd := exec.Command(binary, args...)
				cmd.Env = env
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			secret := "CHANGETRAIL_KAFKA_SASL_PASSWORD_FILE=" + password
			good := slices.Concat(env, test.login, []string{secret})
			for _, args := range [][]string{{"setup"}, append([]string{"publish"}, storyPaths()...)} {
				if out, err := run(good, args...); err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
			}
			out, _ := run(good, "doctor") // which rightly misses enricher and sink
			for _, want := range []string{"127.0.0.1", test.engine} {
				if !strings.Contains(out, want) {
					t.Errorf("doctor does not name %s:\n%s", want, out)
				}
			}
			wrongs := map[string]struct {
				env  []string
				want string // in what is said
			}{
				"a wrong password of Kafka":        {slices.Concat(env, test.login, []string{"CHANGETRAIL_KAFKA_SASL_PASSWORD=wrong"}), "set kafka.sasl.user"},
				"a broker that nobody vouches for": {append(good, "CHANGETRAIL_KAFKA_TLS_CA_FILE="+ca), "set kafka.tls.ca_file"},
				"no login at the engine":           {append(env, secret), "set sink.username"},
			}
			for what, bad := range wrongs {
				out, err := run(bad.env, "setup")
				if err == nil || !strings.Contains(out, bad.want) {
					t.Errorf("%s: want an error with %q, got: %v\n%s", what, bad.want, err, out)
				}
			}
		})
	}
}

// scramUser makes an account over the listener that asks for none.
func scramUser(t *testing.T, mechanism kadm.ScramMechanism, user string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Address))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	altered, err := kadm.NewClient(cl).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: servers.Password}})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// behindTLS puts a proxy before an engine that encrypts and asks for a login.
func behindTLS(t *testing.T, engine *servers.Server, authorization string) (address, ca string) {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine.Address})
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Authorization"), authorization) { // the scheme in whatever case: RFC 9110
			http.Error(w, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`, http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return front.URL, ca
}
