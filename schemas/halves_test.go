package schemas

import (
	stdjson "encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

// Go's JSON library accepts such JSON and puts the same character in its place: it is the oracle.
func FuzzWhole(f *testing.F) {
	for _, text := range []string{
		`"\ud83d"`, `"\uD83D\uDE00"`, `"\ude00"`, `"\ud83d\ud83d\ude00"`, `"\\ud83d"`, `"\\\ud83d"`, `"\ud83dx\ude00"`, `"\ud83d\n\ude00"`, `{"\udc00":["\udBfF","a\ud800"]}`,
		`"\ud83d`, `"\ud8`, `\`, `"\u0041\ud83d\u0041"`, `"ü\ud83d😀"`, `"\ud83d\\ude00"`, `"\ud8 d"`, `"\uD 83"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := Whole(text)
		if len(whole) != len(text) {
			t.Fatalf("%q became %q", text, whole)
		}
		var want, got any
		if err := stdjson.Unmarshal(text, &want); err != nil {
			if stdjson.Unmarshal(whole, &got) == nil {
				t.Fatalf("%q became JSON: %q", text, whole)
			}
			return
		}
		if err := stdjson.Unmarshal(whole, &got); err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("%q became %q: %v, want %v", text, whole, got, want)
		}
	})
}

// Events as clients write them contain half a character or a null attribute, anywhere in the event.
func TestEventsOfJavaScript(t *testing.T) {
	at := time.Date(2026, 11, 12, 3, 47, 3, 0, time.UTC)
	data := `{"name":"cut \ud83d","provider":"x","conclusion":"success","commit_sha":"8c1f0f5ad3e64b8fbf2ab9a3d1c5ee6a4c0f7d21"}`
	event := func(more, data string) Message {
		return Message{Value: []byte(`{"specversion":"1.0","id":"1","source":"/ci","type":"dev.changetrail.validation.completed.v1","subject":"acme/payments#904","time":"2026-11-12T03:47:03Z"` + more + `,"data":` + data + `}`)}
	}
	for name, m := range map[string]Message{
		"structured":   event("", data),
		"null":         event(`,"datacontenttype":null,"partitionkey":null,"traceparent":null,"dataref":null,"data_base64":null,"mine":null,"dataschema":null`, data),
		"an attribute": event(`,"mine":"\udc00"`, data),
		"binary": {Value: []byte(data), Headers: []Header{
			{"ce_specversion", []byte("1.0")},
			{"ce_id", []byte("1")},
			{"ce_source", []byte("/ci")},
			{"ce_type", []byte("dev.changetrail.validation.completed.v1")},
			{"ce_subject", []byte("acme/payments#904")},
			{"content-type", []byte("application/json")},
			{"ce_time", []byte("2026-11-12T03:47:03Z")},
		}},
	} {
		env, err := Open(m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e, err := Decode(env, nil, at)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if v, ok := e.Fact.(*record.Validation); !ok || v.Name != "cut \ufffd" {
			t.Errorf("%s: %+v", name, e.Fact)
		}
	}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if _, err := Open(Message{Value: []byte(`{"specversion":"1.0","id":"1","source":"/ci","type":"t","` + name + `":null}`)}); err == nil {
			t.Errorf("an event without %s is taken", name)
		}
	}
}
