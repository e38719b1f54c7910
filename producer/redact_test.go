package producer

import (
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/internal/secrets"
)

// TestRedactionLooksAtAllOfAnEvent: at data of every media type, and at the attributes.
func TestRedactionLooksAtAllOfAnEvent(t *testing.T) {
	token := "gh" + "p_" + "x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt"
	r, err := secrets.New(secrets.Redacted, []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	for media, data := range map[string]string{
		"": `{"x":"TOKEN"}`, "application/json": `{"x":"TOKEN"}`, "application/JSON": `{"x":"TOKEN"}`, "application/json ; charset=utf-8": `{"x":"TOKEN"}`,
		"application/json; charset": `{"x":"TOKEN"}`, "Application/Vnd.X+JSON": `{"TOKEN":1}`, "text/plain": `TOKEN`, "text/json": `{"x":"TOKEN"}`, "application/xml": `<a>TOKEN</a>`, "no media type": `["TOKEN"]`,
	} {
		e := event.New()
		e.SetID("call-" + token)
		e.SetType("com.example.x")
		e.SetSource("https://ci:hunter2xyz@ci.example/" + token)
		e.SetSubject("acme/payments#4829 " + token)
		e.SetExtension("note", "password=hunter2xyz")
		e.SetExtension("apikey", "hunter2xyz")
		e.SetExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		e.DataEncoded = []byte(strings.ReplaceAll(data, "TOKEN", token))
		if media != "" {
			e.SetDataContentType(media)
		}
		if err := Redact(t.Context(), &e, r); err != nil {
			t.Fatalf("%s: %v", media, err)
		}
		if text := e.String() + string(e.Data()); strings.Contains(text, token) || strings.Contains(text, "hunter2xyz") {
			t.Errorf("%s: it is %s", media, text)
		}
		if err := e.Validate(); err != nil && !strings.Contains(err.Error(), "datacontenttype") {
			t.Errorf("%s: %v", media, err)
		}
		if e.Extensions()["traceparent"] != "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" || !strings.Contains(e.Extensions()["redacted"].(string), "github-pat") {
			t.Errorf("%s: extensions are %v", media, e.Extensions())
		}
		again := e.Clone()
		if err := Redact(t.Context(), &again, r); err != nil || again.ID() != e.ID() || again.Source() != e.Source() || string(again.Data()) != string(e.Data()) {
			t.Errorf("%s: twice is %v (%v), once %v", media, again, err, e)
		}
	}
}
