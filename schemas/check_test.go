package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

func compile(t testing.TB, file string) *jsonschema.Schema {
	t.Helper()
	text, err := schemas.File(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}

// facts are valid data of each type, as JSON.
var facts = map[string]string{
	record.TypeDecisionRecorded:    `{"agent":{"id":"a","model":"m"},"trigger":{"kind":"scan","digest":"sha256:` + strings.Repeat("a", 64) + `","finding":"CVE-1","severity":"high"},"options":[{"id":"x","outcome":"chosen"},{"id":"y","outcome":"rejected","reason":"r"}],"rationale":"because"}`,
	record.TypeActionPerformed:     `{"agent":{"id":"a"},"tool":"edit","outcome":"success","files":["a.go"],"dependencies":[{"name":"lodash","to":"1"}],"duration_ms":5,"arguments":{"a":[1,2]}}`,
	record.TypeScanCompleted:       `{"tool":{"name":"x","version":"1"},"commit_sha":"abcdef0","report":{"encoding":"text","content":"{}","size":2}}`,
	record.TypeValidationCompleted: `{"name":"unit","conclusion":"success","passed":3,"commit_sha":"abcdef0"}`,
	record.TypeReviewSubmitted:     `{"reviewer":"ana","verdict":"approved","submitted_at":"2026-11-12T03:00:00Z"}`,
	record.TypeApprovalGranted:     `{"approver":"ana","scope":["payments"],"expires_at":"2026-11-12T03:00:00Z"}`,
	record.TypeChangeOpened:        `{"title":"t","author":"a","author_type":"agent","head_sha":"abcdef0","files":["x"],"additions":1}`,
	record.TypeChangeUpdated:       `{"head_sha":"abcdef0"}`,
	record.TypeChangeMerged:        `{"merge_sha":"abcdef0","merged_by":"ana","merged_at":"2026-11-12T03:00:00Z","title":"t"}`,
	record.TypeChangeClosed:        `{"closed_by":"ana"}`,
	record.TypeDeploymentFinished:  `{"environment":"production","outcome":"success","commit_sha":"abcdef0"}`,
	record.TypeGateDecided:         `{"verdict":"autonomous","allowed":true,"reasons":["r"]}`,
	record.TypeGateOverridden:      `{"person":"ana","reason":"payments are down","commit_sha":"abcdef0","review_by":"2026-11-12T03:00:00Z"}`,
	record.TypeCommitsPushed:       `{"branch":"main","default":true,"after":"abcdef0","pusher":"ana","commits":[{"sha":"abcdef0","author":"ana","subject":"s","trailers":[{"key":"Assisted-by","value":"Claude"}]}],"files":["a.go"]}`,
	record.TypeEventNoted:          `{"summary":"a check was asked for"}`,
	record.TypeSpansReceived:       `{"trace":"4bf92f3577b34da6a3ce929d0e0e4736","spans":[{"id":"00f067aa0ba902b7","parent":"53995c3f42cd8ad8","kind":"tool","tool":"edit","ended_at":"2026-11-12T03:00:00Z","arguments":{"a":1},"outcome":"success"}]}`,
	record.TypeRequestReceived:     `{"kind":"issue","id":"acme/payments#42","url":"https://github.com/acme/payments/issues/42","title":"t","author":"ana","author_type":"human","digest":"sha256:` + strings.Repeat("a", 64) + `","state":"open","opened_at":"2026-11-12T03:00:00Z"}`,
	record.TypeRunNamed:            `{"run":"r","repository":"github.com/acme/payments"}`,
	record.TypeRepositoryNamed:     `{"name":"github.com/acme/payments","key":"github.com/acme/pay","id":"github.com#7","at":"2026-11-01T03:47:00Z"}`,
	record.TypeIdentityRefused:     `{"agent":"a","credential":"c","bound_to":"b","event_type":"t","event_id":"i"}`,
}

// TestSchemasAndTypesAgree changes valid data at random, and checks that the JSON Schema and the
// code that runs judge it alike.
func TestSchemasAndTypesAgree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, typ := range record.Types() {
		schema := compile(t, "events/"+typ+".json")
		accepted, refused := 0, 0
		for i := range 3000 {
			var v map[string]any
			if err := json.Unmarshal([]byte(facts[typ]), &v); err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			if i > 0 {
				mutate(rnd, v)
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			bySchema := schema.Validate(doc)
			_, byCode := schemas.Decode(schemas.Envelope{
				ID: "1", Source: "/s", Type: typ, Subject: "acme/payments#1", Time: time.Now(), Data: text,
			}, nil, time.Now())
			if (bySchema == nil) != (byCode == nil) {
				t.Fatalf("%s: they differ about %s\nschema: %v\ncode:   %v", typ, text, bySchema, byCode)
			}
			if byCode == nil {
				accepted++
			} else {
				refused++
			}
		}
		if accepted < 100 || refused < 100 {
			t.Errorf("%s: %d accepted, %d refused: the mutations show too little", typ, accepted, refused)
		}
	}
}

// mutate changes one place of v.
func mutate(rnd *rand.Rand, v map[string]any) {
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		v["unknown"] = true
		return
	}
	k := keys[rnd.IntN(len(keys))]
	switch inner := v[k].(type) {
	case map[string]any:
		if rnd.IntN(3) > 0 && k != "arguments" {
			mutate(rnd, inner)
			return
		}
	case []any:
		if len(inner) > 0 && rnd.IntN(3) > 0 {
			if m, ok := inner[0].(map[string]any); ok {
				mutate(rnd, m)
				return
			}
		}
	}
	values := []any{
		"", "x", "approved", "2026-11-12T03:00:00Z", "yesterday", strings.Repeat("é", 3000), strings.Repeat("x", 9000), 5, -5, 1.5, true,
		[]any{},
		[]any{"a"},
		[]any{5},
		map[string]any{},
		"ABCDEF0", "abcdef", "high", "success", "sha256:" + strings.Repeat("b", 64),
	}
	switch rnd.IntN(4) {
	case 0:
		delete(v, k)
	case 1:
		v["nobody_knows_this"] = values[rnd.IntN(len(values))]
	default:
		v[k] = values[rnd.IntN(len(values))]
	}
}

// TestOpenReadsWhatTheSDKWrites compares with the CloudEvents SDK.
func TestOpenReadsWhatTheSDKWrites(t *testing.T) {
	e := event.New()
	e.SetID("i")
	e.SetSource("/s?ü")
	e.SetType("t")
	e.SetSubject(`with "quotes"`)
	e.SetTime(time.Date(2026, 11, 12, 3, 47, 0, 123, time.UTC))
	e.SetExtension("partitionkey", "github.com/a/b")
	e.SetExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err := e.SetData("application/json", map[string]any{"n": 9007199254740993, "s": "<&>ü"}); err != nil {
		t.Fatal(err)
	}
	text, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := schemas.Open(schemas.Message{Value: text, Headers: []schemas.Header{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}})
	if err != nil {
		t.Fatal(err)
	}
	want := schemas.Envelope{
		SpecVersion: "1.0", ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: e.Time(), DataContentType: "application/json",
		PartitionKey: "github.com/a/b", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Data: e.Data(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sdk +ours:\n%s", diff)
	}
}

func TestRefusalsSayWhatAndWhatToDo(t *testing.T) {
	_, err := schemas.Decode(schemas.Envelope{Type: record.TypeReviewSubmitted, Subject: "acme/payments#1", Time: time.Now(), Data: []byte(`{"verdict":"fine","commit_sha":"zz"}`)}, nil, time.Now())
	want := `schema-violation: data.reviewer: is missing or empty; data.verdict: "fine" is not one of approved, changes-requested, commented, dismissed; ` +
		`data.commit_sha: "zz" is not a commit; want 7 to 64 hex digits (see schemas/events/dev.changetrail.review.submitted.v1.json)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = schemas.Decode(schemas.Envelope{Type: record.TypeReviewSubmitted, Subject: "acme/payments#1", Time: time.Now(), Data: []byte(`{"reviewer":["ana"],"verdict":"approved"}`)}, nil, time.Now())
	if want := "schema-violation: data.reviewer: expected a text, found a list"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestTheSameStatementInOtherFormsHasOneDigest: clients format JSON differently.
func TestTheSameStatementInOtherFormsHasOneDigest(t *testing.T) {
	digest := func(typ, data string) string {
		at := time.Date(2026, 11, 12, 3, 0, 0, 0, time.UTC)
		e, err := schemas.Decode(schemas.Envelope{ID: "1", Source: "/s", Type: typ, Subject: "acme/payments#1", Time: at, Data: []byte(data)}, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas.Fingerprint(&e, at); err != nil {
			t.Fatal(err)
		}
		return e.Digest
	}
	review := digest(record.TypeReviewSubmitted, `{"reviewer":"jürgen","verdict":"approved"}`)
	if two := digest(record.TypeReviewSubmitted, "{ \"verdict\": \"approved\",\n\"reviewer\": \"j\\u00fcrgen\"}"); review != two {
		t.Error("order, white space and escapes count")
	}
	if three := digest(record.TypeReviewSubmitted, `{"reviewer":"jurgen","verdict":"approved"}`); review == three {
		t.Error("content does not count")
	}
	action := digest(record.TypeActionPerformed, `{"agent":{"id":"a"},"tool":"edit","arguments":{"path":"ü","n":[1,2]}}`)
	if two := digest(record.TypeActionPerformed, `{"agent": {"id": "a"}, "tool": "edit", "arguments": {"path": "\u00fc", "n": [1, 2]}}`); action != two {
		t.Error("white space and escapes in free-form data count")
	}
}

// TestDocumentsKeepTheirSchemas encodes a document of each kind.
func TestDocumentsKeepTheirSchemas(t *testing.T) {
	r := record.Fold("github.com/acme/payments/pull/1", record.Facts{})
	r.Timestamp = time.Now()
	validate(t, "documents/record.json", schemas.Seal(nil, r, 1, ""))
	fill(reflect.ValueOf(r).Elem()) // with every field set
	r.Trail.Revision, r.Trail.EvidenceDigest = 0, ""
	want, err := schemas.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	got := schemas.Seal(nil, r, 7, "")
	got = bytes.Replace(got, []byte(`"revision":7`), []byte(`"revision":0`), 1)
	got = bytes.Replace(got, []byte(r.Trail.EvidenceDigest), nil, 1)
	if diff := cmp.Diff(canonical(t, want), string(got)); diff != "" {
		t.Errorf("a record differs from its canonical form (-RFC 8785 +Seal):\n%s", diff)
	}
	for typ, data := range facts {
		now := time.Now()
		env := schemas.Envelope{ID: "1", Source: "/s", Type: typ, Subject: "acme/payments#1", Time: now, Data: []byte(data)}
		e, err := schemas.Decode(env, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		full := new(schemas.EventDocument)
		full.Describe(&e, &env, env.Data, now, "default")
		doc, err := schemas.Encode(full)
		if err != nil {
			t.Fatal(err)
		}
		validate(t, "documents/event.json", doc)
		for range 2 { // as it is, and with every field set
			want, err := schemas.Encode(full)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(canonical(t, want), canonical(t, full.Append(nil))); diff != "" {
				t.Errorf("%s: Append differs (-Encode +Append):\n%s", typ, diff)
			}
			fill(reflect.ValueOf(full).Elem())
		}
	}
}

func canonical(t *testing.T, doc []byte) string {
	t.Helper()
	v := jsontext.Value(bytes.Clone(doc))
	if err := v.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return string(v)
}

// fill sets every field that can be set to something.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Type() == reflect.TypeFor[jsontext.Value](), v.Type() == reflect.TypeFor[record.RawJSON]():
		v.SetBytes([]byte(`{"a":"ü <&>"}`))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(v.Field(i))
			}
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case v.Kind() == reflect.Float64:
		v.SetFloat(9.8)
	case v.Kind() == reflect.Int64:
		v.SetInt(1_234_567)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString("x \"ü\"\n<&>\u2028")
	}
}

func validate(t *testing.T, file string, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := compile(t, file).Validate(doc); err != nil {
		t.Errorf("%s: %v\n%s", file, err, text)
	}
}

func TestTheDigestOfARecordCanBeCheckedByAnyone(t *testing.T) {
	r := record.Fold("github.com/acme/payments/pull/1", record.Facts{})
	text := schemas.Seal(nil, r, 7, "")
	digest := r.Trail.EvidenceDigest
	bare := bytes.Replace(text, []byte(`"revision":7`), []byte(`"revision":0`), 1)
	bare = bytes.Replace(bare, []byte(digest), nil, 1)
	if got := digests.Of([]byte(canonical(t, bare))); got != digest {
		t.Errorf("%s, want %s", got, digest)
	}
	if again := schemas.Seal(nil, r, 8, digest); len(again) != 0 {
		t.Errorf("the same record is sent again: %s", again)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}`), "application/cloudevents+json")
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"`+record.TypeReviewSubmitted+`","subject":"a/b#1","data":{"reviewer":"x","verdict":"approved"}}`), "")
	f.Fuzz(func(t *testing.T, value []byte, contentType string) {
		env, err := schemas.Open(schemas.Message{Value: value, Headers: []schemas.Header{{Key: "content-type", Value: []byte(contentType)}}})
		if err == nil {
			_, err = schemas.Decode(env, nil, time.Now())
		}
		if err != nil && schemas.AsRefusal(err) == nil {
			t.Errorf("an error without a reason: %v", err)
		}
		if r := schemas.AsRefusal(err); r != nil && r.Detail == "" {
			t.Error(fmt.Sprint("a refusal without detail: ", r))
		}
	})
}
