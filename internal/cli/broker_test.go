package cli

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/identity"
)

// TestBrokerBeyondThisMachine: the embedded broker listens elsewhere only where clients
// log in and nobody can read the token on the way.
func TestBrokerBeyondThisMachine(t *testing.T) {
	token, digest := identity.NewToken()
	one, err := identity.Parse([]byte("tokens:\n  - {name: ci, platform: ci, sha256: " + digest + "}"))
	if err != nil {
		t.Fatal(err)
	}
	none, err := identity.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t)
	for _, c := range []struct {
		address     string
		known       *identity.Credentials
		cert        string
		asks, fails bool
	}{
		{"127.0.0.1:9092", none, "", false, false},
		{"[::1]:9092", one, cert, false, false},
		{"0.0.0.0:9092", none, cert, false, true},
		{"0.0.0.0:9092", one, "", false, true},
		{":9092", one, "", false, true},
		{"0.0.0.0:9092", one, cert, true, false},
		{"9092", one, cert, false, true},
	} {
		s := Settings{Config: config.Defaults()}
		s.Local.Broker, s.Gateway.CertFile = c.address, c.cert
		if c.cert != "" {
			s.Gateway.KeyFile = key
		}
		login, protection, err := s.brokerAsks(c.known)
		if (err != nil) != c.fails || (login != nil) != c.asks || (protection != nil) != c.asks {
			t.Errorf("%s: asks %t, encrypts %t, %v", c.address, login != nil, protection != nil, err)
		}
		if login == nil {
			continue
		}
		for _, try := range []struct {
			name, token string
			works       bool
		}{{"ci", token, true}, {"other", token, false}, {"ci", "ct_guess", false}, {"ci", "", false}} {
			if err := login(t.Context(), try.name, try.token); (err == nil) != try.works || err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("%s with %q: %v", try.name, try.token, err)
			}
		}
	}
}

// selfSigned writes a certificate for this machine, and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	pub, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	what := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, what, what, pub, secret)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
