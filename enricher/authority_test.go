package enricher

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// authorities is the table of docs/trust.md for each type of events: the kind that the credential
// of a platform must allow, and the witness when the event comes with the credential of an agent,
// a platform or a person.
var authorities = map[string]struct{ kind, agent, platform, person, data string }{
	record.TypeDecisionRecorded:    {"", "signed", "claimed", "claimed", `{"agent":{"id":"a"}}`},
	record.TypeActionPerformed:     {"", "signed", "claimed", "claimed", `{"agent":{"id":"a"},"tool":"x"}`},
	record.TypeSpansReceived:       {"", "signed", "claimed", "claimed", `{"trace":"t","spans":[{"id":"1","kind":"tool","tool":"x","agent_id":"a","ended_at":"2026-11-01T03:47:00Z"}]}`},
	record.TypeScanCompleted:       {"scans", "claimed", "observed", "claimed", `{"tool":{"name":"x"}}`},
	record.TypeValidationCompleted: {"tests", "claimed", "observed", "claimed", `{"name":"x","conclusion":"success"}`},
	record.TypeReviewSubmitted:     {"reviews", "claimed", "observed", "human", `{"reviewer":"mira","verdict":"approved"}`},
	record.TypeApprovalGranted:     {"approvals", "claimed", "observed", "human", `{"approver":"Mira"}`},
	record.TypeChangeOpened:        {"changes", "claimed", "observed", "claimed", `{"author":"x"}`},
	record.TypeChangeUpdated:       {"changes", "claimed", "observed", "claimed", `{"title":"x"}`},
	record.TypeChangeMerged:        {"changes", "claimed", "observed", "claimed", `{"merged_by":"x"}`},
	record.TypeChangeClosed:        {"changes", "claimed", "observed", "claimed", `{}`},
	record.TypeDeploymentFinished:  {"deployments", "claimed", "observed", "claimed", `{"environment":"p","outcome":"success"}`},
	record.TypeGateDecided:         {"gates", "claimed", "observed", "claimed", `{"verdict":"autonomous","allowed":true}`},
	record.TypeCommitsPushed:       {"pushes", "claimed", "observed", "claimed", `{"branch":"b","after":"1111111"}`},
	record.TypeEventNoted:          {"", "claimed", "observed", "claimed", `{}`},
	record.TypeRequestReceived:     {"requests", "claimed", "observed", "human", `{"kind":"ticket","id":"PAY-12","author":"mira"}`},
	// Only changetrail sends these.
	record.TypeIdentityRefused: {"", "", "", "", `{"agent":"a","credential":"c"}`},
	record.TypeGateOverridden:  {"", "", "", "", `{"person":"mira","reason":"x","commit_sha":"abcdef0","review_by":"2026-11-12T03:00:00Z"}`},
	record.TypeRunNamed:        {"", "", "", "", `{"run":"r","repository":"github.com/acme/docs"}`},
	record.TypeRepositoryNamed: {"", "", "", "", `{"id":"github.com#7","name":"github.com/acme/docs","key":"github.com/acme/pay"}`},
	// Events of other systems count as what they become.
	"dev.cdevents.change.reviewed.0.2.0":       {"reviews", "claimed", "observed", "human", `{"context":{"type":"dev.cdevents.change.reviewed.0.2.0"},"subject":{"id":"acme/docs#1"},"customData":{"reviewer":"mira","verdict":"approved"}}`},
	"dev.cdevents.change.merged.0.2.0":         {"changes", "claimed", "observed", "claimed", `{"context":{"type":"dev.cdevents.change.merged.0.2.0"},"subject":{"id":"acme/docs#1"}}`},
	"dev.cdevents.pipelinerun.finished.0.2.0":  {"tests", "claimed", "observed", "claimed", `{"context":{"type":"dev.cdevents.pipelinerun.finished.0.2.0"},"subject":{"id":"p","content":{"outcome":"success"}},"customData":{"repository":"github.com/acme/docs"}}`},
	"com.github.pull_request_review.submitted": {"", "", "", "", `{"action":"submitted","review":{"state":"approved","user":{"login":"mira"},"commit_id":"1111111111111111111111111111111111111111","submitted_at":"2026-11-01T03:47:00Z"},"pull_request":{"number":1},"repository":{"full_name":"acme/docs","html_url":"https://github.com/acme/docs"}}`},
	"com.atlassian.jira.issue_created":         {"", "", "", "", `{"webhookEvent":"jira:issue_created","timestamp":1793500000000,"issue":{"id":"1","key":"PAY-12","self":"https://acme.atlassian.net/rest/api/2/issue/1","fields":{"summary":"x","created":"2026-11-01T03:47:00.000+0000"}}}`},
	"com.gitlab.merge_request.approved":        {"", "", "", "", `{"object_kind":"merge_request","user":{"username":"mira"},"project":{"web_url":"https://gitlab.com/acme/docs","path_with_namespace":"acme/docs"},"object_attributes":{"iid":1,"action":"approved","state":"opened","updated_at":"2026-11-01 03:47:00 UTC"}}`},
}

// TestAuthority sends each type of events with each kind of credential, over HTTP and Kafka, with
// its data inline and by reference.
func TestAuthority(t *testing.T) {
	now := time.Now().UTC()
	b := newBench(t, now)
	for _, typ := range record.Types() {
		if _, ok := authorities[typ]; !ok {
			t.Errorf("the table says nothing of %s", typ)
		}
	}
	senders := map[string]struct {
		as   int
		want func(typ string) string
	}{
		"agent":    {1, func(typ string) string { return authorities[typ].agent }},
		"platform": {3, func(typ string) string { return authorities[typ].platform }},
		"platform, of a list": {7, func(typ string) string {
			if k := authorities[typ].kind; k != "" && !slices.Contains([]string{"changes", "scans", "tests"}, k) {
				return ""
			}
			return authorities[typ].platform
		}},
		"person": {5, func(typ string) string { return authorities[typ].person }},
		"nobody": {0, func(typ string) string {
			if typ == record.TypeIdentityRefused || typ == record.TypeGateOverridden || typ == record.TypeRunNamed || typ == record.TypeRepositoryNamed {
				return ""
			}
			return "claimed"
		}},
	}
	for typ, row := range authorities {
		for _, way := range []string{"in the event", "by dataref"} {
			body := b.body(typ, way, row.data)
			for who, s := range senders {
				t.Run(typ+", "+who+", "+way, func(t *testing.T) { b.holds(t, s.as, body, s.want(typ)) })
			}
			t.Run(typ+", past the gateway, "+way, func(t *testing.T) { b.holdsDirect(t, typ, body) })
		}
	}
}

// body returns an event of a type in JSON.
func (b *bench) body(typ, way, data string) string {
	b.Helper()
	if way == "by dataref" {
		digest, err := b.store.Put(b.Context(), []byte(data))
		if err != nil {
			b.Fatal(err)
		}
		data = fmt.Sprintf(`"dataref":%q`, digest)
	} else {
		data = `"data":` + data
	}
	about := `"subject":"github.com/acme/docs/pull/1",`
	switch typ {
	case record.TypeSpansReceived, record.TypeRunNamed, record.TypeRepositoryNamed, "com.atlassian.jira.issue_created":
		about = `"partitionkey":"github.com/acme/docs",`
	case "com.gitlab.merge_request.approved":
		about = ""
	}
	return fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"/x","type":%q,%s%s}`, typ, about, data)
}

// holds sends an event as one of the principals. want is its witness, or "" if it must be
// refused.
func (b *bench) holds(t *testing.T, as int, body, want string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body))
	r.Header.Set("Content-Type", schemas.ContentTypeEvent)
	if b.tokens[as] != "" {
		r.Header.Set("Authorization", b.tokens[as])
	}
	w := httptest.NewRecorder()
	b.kept.sent, b.kept.spooled = nil, nil
	b.handler.ServeHTTP(w, r)
	if want == "" {
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), string(schemas.NotTheSenders)) {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		return
	}
	if w.Code != http.StatusNoContent {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	for _, sent := range []*stream.Record{b.kept.sent[0], b.kept.spooled[0]} {
		d := b.decode(sent, 0)
		if d.refusal != nil || d.event.Witness != want || d.event.Sender != principals[as].sender {
			t.Errorf("it is %s of %q, want %s of %q: %v", d.event.Witness, d.event.Sender, want, principals[as].sender, d.refusal)
		}
		forged := *sent
		forged.Headers = slices.Clone(sent.Headers)
		for i, h := range forged.Headers {
			if h.Key == "ce_authid" {
				forged.Headers[i] = kgo.RecordHeader{Key: h.Key, Value: []byte("ana")}
			}
		}
		if d := b.decode(&forged, 0); d.refusal == nil && (d.event.Witness != record.Claimed || d.event.Sender != "") {
			t.Errorf("stamped for another it is %s of %q", d.event.Witness, d.event.Sender)
		}
	}
}

// holdsDirect writes an event past the gateway: it is believed only if its source is trusted.
func (b *bench) holdsDirect(t *testing.T, typ, body string) {
	t.Helper()
	row := authorities[typ]
	webhook := strings.HasPrefix(typ, "com.")
	for as, want := range map[string]string{"": "claimed", record.Signed: row.agent, record.Observed: row.platform, record.Human: row.person} {
		reader := ingest.Reader{Keys: signingKeys}
		if as != "" {
			reader.Trust = []settings.Trust{{Source: "/y", As: record.Observed}, {Source: "/*", As: as}}
		}
		d, err := decode(t.Context(), &stream.Record{Value: []byte(body), Timestamp: b.kept.at}, reader, b.store)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case typ == record.TypeIdentityRefused, typ == record.TypeGateOverridden, typ == record.TypeRepositoryNamed:
			if d.refusal == nil || d.refusal.Reason != schemas.NotTheSenders {
				t.Errorf("trusted as %q: %v", as, d.refusal)
			}
			continue
		case webhook, typ == record.TypeRunNamed && as != record.Observed: // only gateways verify webhooks
			want = "claimed"
		case typ == record.TypeRunNamed:
			continue
		}
		if d.refusal != nil || d.event.Witness != want || d.event.Sender != "" {
			t.Errorf("trusted as %q it is %s of %q, want %s: %v", as, d.event.Witness, d.event.Sender, want, d.refusal)
		}
	}
}
