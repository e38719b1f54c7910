package schemas

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/signing"
)

func aSigned(keys signing.Keys) Envelope {
	e := Envelope{
		ID: "1", Source: "/ci", Type: "com.changetrail.validation.completed", Subject: "github.com/acme/p/pull/1", PartitionKey: "github.com/acme/p", Time: time.Unix(1767225600, 5),
		AuthType: AuthSystem, AuthID: "ci", ArrivedAt: "2026-01-01T00:00:00Z", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ContentMode: "redacted", Data: jsontext.Value(`{"a":1}`),
	}
	e.AuthMAC = Sign(keys, e)
	return e
}

// TestAllThatIsBelievedIsSigned: after any change to a signed part the sender is unknown.
func TestAllThatIsBelievedIsSigned(t *testing.T) {
	keys := signing.Of([]byte("a key of the tests"))
	e := aSigned(keys)
	if got := SenderOf(keys, e); got != "platform:ci" {
		t.Fatalf("of %q", got)
	}
	for name, change := range map[string]func(*Envelope){
		"id": func(e *Envelope) { e.ID = "2" }, "source": func(e *Envelope) { e.Source = "/other" }, "type": func(e *Envelope) { e.Type = "x" },
		"subject": func(e *Envelope) { e.Subject = "" }, "partitionkey": func(e *Envelope) { e.PartitionKey = "" }, "time": func(e *Envelope) { e.Time = e.Time.Add(1) },
		"authtype": func(e *Envelope) { e.AuthType = AuthUser }, "authid": func(e *Envelope) { e.AuthID = "other" }, "arrivedat": func(e *Envelope) { e.ArrivedAt = "" },
		"imported": func(e *Envelope) { e.Imported = "true" }, "traceparent": func(e *Envelope) { e.TraceParent = "" }, "contentmode": func(e *Envelope) { e.ContentMode = "full" },
		"data": func(e *Envelope) { e.Data = jsontext.Value(`{"a":2}`) }, "dataref": func(e *Envelope) { e.Data, e.DataRef = nil, "sha256:"+hex.EncodeToString(make([]byte, 32)) },
		"authmac": func(e *Envelope) { e.AuthMAC = "" },
	} {
		forged := e
		if change(&forged); SenderOf(keys, forged) != "" {
			t.Errorf("with another %s it is of %s", name, SenderOf(keys, forged))
		}
	}
	if SenderOf(signing.Keys{}, e) != "" || SenderOf(signing.Of([]byte("another key of the tests")), e) != "" {
		t.Error("it is believed without the key")
	}
	sum := sha256.Sum256(e.Data)
	elsewhere := e
	elsewhere.Data, elsewhere.DataRef = nil, "sha256:"+hex.EncodeToString(sum[:])
	if SenderOf(keys, elsewhere) != "platform:ci" {
		t.Error("the same data in the blob store are not believed")
	}
}

// TestSignedFormerly: signatures from before keys had ids are still accepted with the same secret.
func TestSignedFormerly(t *testing.T) {
	secret := []byte("a key of the tests")
	e := aSigned(signing.Keys{})
	sum := sha256.Sum256(e.Data)
	m := hmac.New(sha256.New, secret)
	for _, s := range []string{e.Source, e.ID, e.Type, e.Subject, e.PartitionKey, strconv.FormatInt(e.Time.UnixNano(), 10), e.AuthType, e.AuthID, string(sum[:]), e.ArrivedAt, e.Imported} {
		m.Write([]byte(strconv.Itoa(len(s)) + "\x00" + s))
	}
	e.AuthMAC = hex.EncodeToString(m.Sum(nil))
	if got := SenderOf(signing.Of(secret), e); got != "platform:ci" {
		t.Errorf("of %q", got)
	}
	if e.ID = "2"; SenderOf(signing.Of(secret), e) != "" {
		t.Error("a forged one is believed")
	}
}
