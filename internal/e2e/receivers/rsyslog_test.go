//go:build servers

package receivers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/foreign"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/sinktest"
	"github.com/changetrail/changetrail/sinks/syslog"
	"github.com/changetrail/changetrail/stream"
)

// An rsyslog is Debian's rsyslogd, which listens for syslog over TLS and TCP and for RELP with and
// without TLS, asks for client certificates, and writes each message as it came to a file.
type rsyslog struct {
	dir  string
	urls map[string]string // by scheme
	tls  stream.TLS        // of a client that it accepts
	cmd  *exec.Cmd
}

func startRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	foreign.Debian(t, "rsyslog", "rsyslog-gnutls", "rsyslog-relp")
	r := &rsyslog{dir: t.TempDir(), urls: make(map[string]string)}
	certificates(t, r.dir)
	r.tls = stream.TLS{Enabled: true, CAFile: r.file("ca.pem"), CertFile: r.file("client.pem"), KeyFile: r.file("client.key")}
	port := make(map[string]string)
	for _, scheme := range []string{"tls", "tcp", "relp", "relp+tls"} {
		address := freeAddress(t)
		_, port[scheme], _ = net.SplitHostPort(address)
		r.urls[scheme] = scheme + "://localhost:" + port[scheme]
	}
	conf := fmt.Sprintf(`global(workDirectory=%[1]q maxMessageSize="1m" parser.escapeControlCharactersOnReceive="off"
  DefaultNetstreamDriverCAFile=%[2]q DefaultNetstreamDriverCertFile=%[3]q DefaultNetstreamDriverKeyFile=%[4]q)
template(name="raw" type="string" string="%%rawmsg%%\n")
ruleset(name="keep") { action(type="omfile" file=%[5]q template="raw" asyncWriting="off" flushOnTXEnd="on") }
module(load="imtcp")
input(type="imtcp" port=%[6]q streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid" ruleset="keep")
input(type="imtcp" port=%[7]q streamDriver.name="ptcp" streamDriver.mode="0" ruleset="keep")
module(load="imrelp" ruleset="keep")
input(type="imrelp" port=%[8]q maxDataSize="1m")
input(type="imrelp" port=%[9]q maxDataSize="1m" tls="on" tls.authMode="certvalid" tls.caCert=%[2]q tls.myCert=%[3]q tls.myPrivKey=%[4]q)
`, r.dir, r.file("ca.pem"), r.file("server.pem"), r.file("server.key"), r.file("messages"), port["tls"], port["tcp"], port["relp"], port["relp+tls"])
	if err := os.WriteFile(r.file("rsyslog.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start(t)
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rsyslog) file(name string) string { return filepath.Join(r.dir, name) }

func (r *rsyslog) start(t *testing.T) {
	t.Helper()
	said, err := os.OpenFile(r.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	r.cmd = exec.Command("/usr/sbin/rsyslogd", "-n", "-f", r.file("rsyslog.conf"), "-i", r.file("pid"))
	r.cmd.Stdout, r.cmd.Stderr = said, said
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, url := range r.urls {
		_, address, _ := strings.Cut(url, "://")
		for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
				break
			}
			if time.Since(began) > 30*time.Second {
				log, _ := os.ReadFile(r.file("log"))
				t.Fatalf("rsyslog does not listen at %s: %v\n%s", url, err, log)
			}
		}
	}
}

func (r *rsyslog) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
}

var parameters = regexp.MustCompile(`^<\d+>1 \S+ \S+ changetrail - \S+ \[changetrail@32473 index="((?:[^"\\]|\\.)*)" id="((?:[^"\\]|\\.)*)"(?: revision="(\d+)")?\] (.*)$`)

// delivered returns the messages that rsyslog wrote.
func (r *rsyslog) delivered(t *testing.T) (out []delivery) {
	t.Helper()
	all, err := os.ReadFile(r.file("messages"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	plain := strings.NewReplacer(`\"`, `"`, `\]`, `]`, `\\`, `\`)
	for line := range bytes.Lines(all) {
		m := parameters.FindStringSubmatch(strings.TrimSuffix(string(line), "\n"))
		if m == nil {
			if bytes.HasSuffix(line, []byte("\n")) && bytes.Contains(line, []byte("changetrail@")) {
				t.Fatalf("rsyslog has a message that cannot be read: %s", line)
			}
			continue // what rsyslog says itself, or the beginning of a line
		}
		version, _ := strconv.ParseInt(m[3], 10, 64)
		out = append(out, delivery{plain.Replace(m[1]), plain.Replace(m[2]), sinktest.Copy{Version: version, Body: m[4]}})
	}
	return out
}

// TestRsyslog: the contract, over each protocol.
func TestRsyslog(t *testing.T) {
	r := startRsyslog(t)
	for _, scheme := range []string{"tls", "tcp", "relp", "relp+tls"} {
		for _, format := range []string{syslog.JSON, syslog.CEF} {
			t.Run(scheme+" "+format, func(t *testing.T) { r.contract(t, scheme, format) })
		}
	}
}

// settled returns copies once rsyslog has written what it has read.
func (r *rsyslog) settled(t *testing.T, index, id string) (out []sinktest.Copy) {
	for range 30 {
		if out = copies(r.delivered(t), index, id); len(out) > 0 {
			return out
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// changing is an engine whose settings can be changed.
type changing struct{ sinks.Engine }

func (r *rsyslog) contract(t *testing.T, scheme, format string) {
	open := func(largest int, tls stream.TLS) sinks.Engine {
		e, err := syslog.New(syslog.Config{URL: r.urls[scheme], TLS: tls, Format: format, Largest: largest, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	const large = 512 << 10
	e := &changing{open(large, r.tls)}
	if err := e.Ready(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	index := scheme + "-" + format
	s := sinktest.Receiver{Engine: e, Events: "events-" + index, Record: "records-" + index, Copies: r.settled}
	sinktest.Append(t, s)
	f := sinktest.Faults{
		Receiver: s,
		Down: func(t *testing.T) func() {
			r.stop()
			return func() { r.start(t) }
		},
		Small: func(t *testing.T, bytes int) func() {
			e.Engine = open(bytes, r.tls)
			return func() { e.Engine = open(large, r.tls) }
		},
		Summary: func(c sinktest.Copy) bool { return strings.Contains(c.Body, "this is its summary") },
	}
	// rsyslog closes the connection of a client without a certificate and says nothing, so that its
	// refusal looks like a receiver that goes away: there is no Deny.
	sinktest.Fail(t, f)
}

// certificates writes those of a CA, of localhost and of a client.
func certificates(t *testing.T, dir string) {
	t.Helper()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var ca *x509.Certificate
	var signer *ecdsa.PrivateKey
	for i, name := range []string{"ca", "server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			IsCA: i == 0, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, DNSNames: []string{"localhost"},
		}
		if i == 0 {
			ca, signer, c.KeyUsage, c.DNSNames = c, key, x509.KeyUsageCertSign, nil
		}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(name+".pem", "CERTIFICATE", der)
		write(name+".key", "PRIVATE KEY", private)
	}
}
