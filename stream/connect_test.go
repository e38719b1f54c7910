package stream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/changetrail/changetrail/internal/signing"
)

// TestEachMistakeInASettingIsNamed, also where there are several.
func TestEachMistakeInASettingIsNamed(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir := t.TempDir()
	ca, empty, none := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem"), filepath.Join(dir, "none.pem")
	for name, text := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), empty: nil} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	some := []string{"localhost:9092"}
	for name, c := range map[string]struct {
		conf Config
		want []string
	}{
		"plain text":          {Config{Brokers: some}, nil},
		"TLS":                 {Config{Brokers: some, TLS: TLS{Enabled: true, CAFile: ca}}, nil},
		"PLAIN":               {Config{Brokers: some, SASL: SASL{Mechanism: "plain"}}, nil},
		"SCRAM":               {Config{Brokers: some, SASL: SASL{Mechanism: "SCRAM-SHA-256"}}, nil},
		"SCRAM of 512 bits":   {Config{Brokers: some, SASL: SASL{Mechanism: "SCRAM-SHA-512"}}, nil},
		"nothing":             {Config{}, []string{"kafka.brokers"}},
		"nothing, and GSSAPI": {Config{SASL: SASL{Mechanism: "GSSAPI"}}, []string{"kafka.brokers", `"GSSAPI"`, "SCRAM-SHA-512"}},
		"no file":             {Config{Brokers: some, TLS: TLS{Enabled: true, CAFile: none}}, []string{"CA file", none}},
		"a file without a CA": {Config{Brokers: some, TLS: TLS{Enabled: true, CAFile: empty}}, []string{empty, "PEM"}},
		"a certificate alone": {Config{Brokers: some, TLS: TLS{Enabled: true, CertFile: ca}}, []string{"client certificate"}},
		"files without TLS":   {Config{Brokers: some, TLS: TLS{CAFile: none}}, nil},
	} {
		_, err := c.conf.options()
		if (err != nil) != (c.want != nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", name, err, part)
			}
		}
	}
	for what, open := range map[string]func() error{
		"admin":       func() error { _, err := NewAdmin(Config{}); return err },
		"reader":      func() error { _, err := NewReader(ReaderConfig{}); return err },
		"writer":      func() error { _, err := NewWriter(Config{}); return err },
		"transaction": func() error { _, err := NewTransactionWriter(t.Context(), Config{}, "x"); return err },
		"scan":        func() error { _, err := Config{}.Partition("t", 0).Scan(t.Context(), -1, nil); return err },
		"follow":      func() error { return Config{}.Partition("t", 0).Follow(t.Context(), 0, nil) },
		"partitions":  func() error { _, err := Partitions(t.Context(), Config{}, Topics{}); return err },
		"transform":   func() error { return (&Transform{Log: discard()}).Run(t.Context()) },
	} {
		if err := open(); err == nil || !strings.Contains(err.Error(), "kafka.brokers") {
			t.Errorf("%s without brokers: %v", what, err)
		}
	}
}

func TestCompression(t *testing.T) {
	for _, name := range []string{"", "lz4", "zstd", "snappy", "gzip", "none"} {
		if codecs, err := compression(name); err != nil || len(codecs) != 1 {
			t.Errorf("%q: %v", name, err)
		}
	}
	tr := &Transform{Config: Config{Brokers: []string{"localhost:9092"}}, Compression: "brotli", Log: discard()}
	if err := tr.Run(t.Context()); err == nil || !strings.Contains(err.Error(), `"brotli"`) {
		t.Errorf("%v", err)
	}
}

// TestErrorsSayWhatToDo names the setting that mends each.
func TestErrorsSayWhatToDo(t *testing.T) {
	if explain(nil) != nil {
		t.Error("no error becomes one")
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{x509.UnknownAuthorityError{}, "kafka.tls.ca_file"},
		{x509.HostnameError{Certificate: new(x509.Certificate)}, "kafka.brokers"},
		{tls.RecordHeaderError{}, "kafka.tls.enabled"},
		{kerr.SaslAuthenticationFailed, "kafka.sasl.password"},
		{kerr.TopicAuthorizationFailed, "docs/operations.md"},
		{kerr.ClusterAuthorizationFailed, "docs/operations.md"},
		{kerr.GroupAuthorizationFailed, "docs/operations.md"},
		{syscall.ECONNREFUSED, "kafka.brokers"},
		{kerr.UnknownServerError, "kafka: "},
	} {
		if got := explain(fmt.Errorf("dial: %w", c.err)).Error(); !strings.Contains(got, c.want) || !strings.Contains(got, c.err.Error()) {
			t.Errorf("%v: %s", c.err, got)
		}
	}
}

// TestPausesGrowAndEnd: each pause is longer than the one before, up to five minutes.
func TestPausesGrowAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rest
		if r.on() {
			t.Error("it begins with a pause")
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			pause := r.begin()
			if pause != want*time.Second {
				t.Errorf("pause %d is %s, want %s", i, pause, want*time.Second)
			}
			time.Sleep(pause - time.Nanosecond)
			if !r.on() {
				t.Errorf("pause %d ends early", i)
			}
			time.Sleep(time.Nanosecond)
			if r.on() {
				t.Errorf("pause %d does not end", i)
			}
		}
	})
}

// TestThePartitionOfAKey is that of Kafka's own clients (murmur2), whatever was asked before.
func TestThePartitionOfAKey(t *testing.T) {
	p := NewPartitioner(12)
	for range 2 {
		for _, key := range []string{"21", "foobar", "a-little-bit-long-string", "github.com/acme/payments", "é"} {
			want := int32(murmur2([]byte(key))&0x7fffffff) % 12
			if got := p.Of(key); got != want {
				t.Errorf("%s: %d, want %d", key, got, want)
			}
		}
	}
}

// murmur2 is the hash of org.apache.kafka.common.utils.Utils.
func murmur2(data []byte) uint32 {
	const m = 0x5bd1e995
	h := 0x9747b28c ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// TestASignatureIsOverAll of a message: key, value and each header.
func TestASignatureIsOverAll(t *testing.T) {
	keys := signing.Of([]byte("the key of the enrichers"))
	message := func() *Record {
		r := &Record{Key: []byte("k"), Value: []byte("v")}
		AddHeader(r, HeaderID, []byte("1"))
		AddHeader(r, HeaderIndex, []byte("i"))
		SignDocument(keys, r)
		return r
	}
	if r := message(); !Signed(keys, r) || Header(r, HeaderSignature) == nil || !Signed(signing.Keys{}, r) {
		t.Error("a message as it was signed is not taken for signed")
	}
	for name, change := range map[string]func(*Record){
		"the key":        func(r *Record) { r.Key = []byte("l") },
		"the value":      func(r *Record) { r.Value = []byte("w") },
		"a header":       func(r *Record) { r.Headers[0].Value = []byte("2") },
		"another header": func(r *Record) { AddHeader(r, HeaderFinding, []byte("f\n{}")) },
		"their order":    func(r *Record) { r.Headers[0], r.Headers[1] = r.Headers[1], r.Headers[0] },
		"no signature":   func(r *Record) { r.Headers = r.Headers[:2] },
	} {
		r := message()
		if change(r); Signed(keys, r) {
			t.Errorf("%s is changed, and it counts as signed", name)
		}
	}
	r := &Record{Key: []byte("k")}
	if SignDocument(signing.Keys{}, r); len(r.Headers) > 0 || !Signed(signing.Keys{}, r) {
		t.Error("without a key there is a signature")
	}
}
