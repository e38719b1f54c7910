package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// said makes an event in JSON; attributes are added to the required ones.
func said(typ, attributes, data string) string {
	if data != "" {
		data = `,"data":` + data
	}
	return `{"specversion":"1.0","id":"1","source":"/x","type":"` + typ + `"` + attributes + data + `}`
}

// TestNobodyReportsAboutOtherRepositories puts a repository that the sender may not report
// about into every place of an event, beside one that it may; alone and in a batch.
func TestNobodyReportsAboutOtherRepositories(t *testing.T) {
	known, tokens := credentials(t, "name: docs, platform: docs, repositories: [github.com/acme/docs]", "name: wild, agent: a, repositories: [\"github.com/acme/d*\"]", "name: deep, person: ana, repositories: [\"github.com/acme/docs/**\", github.com/acme/docs]")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	const docs, payments = `,"subject":"github.com/acme/docs/pull/1"`, `,"subject":"github.com/acme/payments/pull/4829"`
	const here, there = `,"partitionkey":"github.com/acme/docs"`, `,"partitionkey":"github.com/acme/payments"`
	cdevent := func(subject, content, custom string) string {
		return fmt.Sprintf(`{"context":{"type":"dev.cdevents.change.reviewed.0.2.0","timestamp":%q},"subject":{"id":%q,"type":"change","content":%s},"customData":%s}`, time.Now().UTC().Format(time.RFC3339), subject, content, custom)
	}
	review := `"reviewer":"ana","verdict":"approved","commit":"5e0c9d0a8f1b"`
	for name, body := range map[string]string{
		"a review":                         said(record.TypeReviewSubmitted, payments, `{"reviewer":"ana","verdict":"approved"}`),
		"an approval":                      said(record.TypeApprovalGranted, payments+here, `{"approver":"ana"}`),
		"a decision":                       said(record.TypeDecisionRecorded, payments, `{"agent":{"id":"a"}}`),
		"a decision of a run":              said(record.TypeDecisionRecorded, there, `{"agent":{"id":"a","run":"r"}}`),
		"an action":                        said(record.TypeActionPerformed, there, `{"agent":{"id":"a","run":"r"},"tool":"x"}`),
		"an action by its data":            said(record.TypeActionPerformed, "", `{"agent":{"id":"a","run":"r"},"tool":"x","repository":"https://github.com/acme/payments"}`),
		"an action of two":                 said(record.TypeActionPerformed, here, `{"agent":{"id":"a","run":"r"},"tool":"x","repository":"github.com/acme/payments"}`),
		"a change with an agent":           said(record.TypeChangeOpened, payments+here, `{"agent":"a"}`),
		"a scan of two":                    said(record.TypeScanCompleted, docs, `{"tool":{"name":"x"},"repository":"github.com/acme/payments"}`),
		"a validation of two":              said(record.TypeValidationCompleted, payments, `{"name":"x","conclusion":"success","repository":"github.com/acme/docs"}`),
		"a deployment by its partitionkey": said(record.TypeDeploymentFinished, there, `{"environment":"p","outcome":"success","repository":"github.com/acme/docs"}`),
		"a push":                           said(record.TypeCommitsPushed, "", `{"branch":"main","default":true,"after":"1111111","repository":"github.com/acme/payments"}`),
		"a push of two":                    said(record.TypeCommitsPushed, `,"subject":"github.com/acme/payments/commit/1111111"`+here, `{"branch":"main","default":true,"after":"1111111"}`),
		"spans":                            said(record.TypeSpansReceived, "", `{"trace":"t","spans":[{"id":"1","kind":"tool","tool":"x","ended_at":"2026-03-01T03:47:00Z","repository":"github.com/acme/docs"},{"id":"2","kind":"tool","tool":"x","ended_at":"2026-03-01T03:47:00Z","repository":"github.com/acme/payments"}]}`),
		"spans by their change":            said(record.TypeSpansReceived, here, `{"trace":"t","spans":[{"id":"1","kind":"tool","tool":"x","ended_at":"2026-03-01T03:47:00Z","change":"acme/payments#4829"}]}`),
		"CDEvent, subject of the envelope": said("dev.cdevents.change.reviewed.0.2.0", payments, cdevent("1", "{}", `{"repository":"https://github.com/acme/docs","change":"github.com/acme/docs/pull/1",`+review+`}`)),
		"CDEvent, customData.change":       said("dev.cdevents.change.reviewed.0.2.0", docs, cdevent("1", "{}", `{"repository":"https://github.com/acme/docs","change":"acme/payments#4829",`+review+`}`)),
		"CDEvent, its own subject":         said("dev.cdevents.change.reviewed.0.2.0", here, cdevent("github.com/acme/payments/pull/4829", "{}", `{`+review+`}`)),
		"CDEvent, its repository":          said("dev.cdevents.change.reviewed.0.2.0", here, cdevent("4829", `{"repository":{"id":"acme/payments","source":"https://github.com"}}`, `{`+review+`}`)),
		"webhook of GitHub":                said("com.github.pull_request_review.submitted", docs+here, strings.ReplaceAll(reviewHook("approved"), "acme/docs", "acme/payments")),
		"another name of the host's case":  said(record.TypeReviewSubmitted, `,"subject":"https://GitHub.com/ACME/Payments/pull/4829"`, `{"reviewer":"ana","verdict":"approved"}`),
		"of nothing that is named":         said(record.TypeActionPerformed, "", `{"agent":{"id":"a","run":"r"},"tool":"x"}`),
	} {
		t.Run(name, func(t *testing.T) {
			for i, token := range tokens {
				if i == 0 && name == "of nothing that is named" { // that one has a repository of its own
					continue
				}
				h := map[string]string{"Content-Type": schemas.ContentTypeEvent, "Authorization": token}
				p := s.send(t, "POST", "/v1/events", h, []byte(body)).problem(t, http.StatusForbidden)
				if len(p.Errors) == 1 && p.Errors[0].Reason != string(schemas.NotAllowed) {
					t.Errorf("%d: %+v", i, p)
				}
				h["Content-Type"] = schemas.ContentTypeBatch
				good := said(record.TypeEventNoted, here, `{}`)
				s.send(t, "POST", "/v1/events", h, []byte("["+good+","+body+"]")).problem(t, http.StatusForbidden)
			}
		})
	}
	s.none(t)
}

// reviewHook is a webhook about github.com/acme/docs.
func reviewHook(state string) string {
	return strings.ReplaceAll(review(state), "acme/payments", "acme/docs")
}

// TestWhatIsNamedTwiceMustAgree: even a sender that may report about all repositories names only one in an event.
func TestWhatIsNamedTwiceMustAgree(t *testing.T) {
	s := newSite(t, nil)
	for name, body := range map[string]string{
		"subject and data":            said(record.TypeScanCompleted, `,"subject":"acme/docs#1"`, `{"tool":{"name":"x"},"repository":"github.com/acme/payments"}`),
		"subject and partitionkey":    said(record.TypeChangeClosed, `,"subject":"acme/docs#1","partitionkey":"github.com/acme/payments"`, `{}`),
		"partitionkey and data":       said(record.TypeEventNoted, `,"partitionkey":"github.com/acme/payments"`, `{"repository":"github.com/acme/docs"}`),
		"two changes of one":          said("com.github.pull_request_review.submitted", `,"subject":"acme/docs#8"`, reviewHook("approved")),
		"two commits":                 said(record.TypeCommitsPushed, `,"subject":"github.com/acme/docs/commit/2222222"`, `{"branch":"main","default":true,"after":"1111111"}`),
		"data beside another dataref": said(record.TypeEventNoted, `,"partitionkey":"github.com/acme/docs","dataref":"`+digests.Of([]byte(`{"x":1}`))+`"`, `{}`),
	} {
		t.Run(name, func(t *testing.T) {
			p := s.send(t, "POST", "/v1/events", structured, []byte(body)).problem(t, http.StatusUnprocessableEntity)
			if r := schemas.Reason(p.Errors[0].Reason); r != schemas.NamesConflict && r != schemas.DigestMismatch {
				t.Errorf("%+v", p)
			}
		})
	}
	s.none(t)
	for name, body := range map[string]string{
		"the change and its repository":    said(record.TypeScanCompleted, `,"subject":"acme/docs#1","partitionkey":"github.com/acme/docs"`, `{"tool":{"name":"x"},"repository":"https://github.com/acme/docs.git"}`),
		"the same in another case":         said(record.TypeScanCompleted, `,"subject":"github.com/Acme/Docs/pull/1"`, `{"tool":{"name":"x"},"repository":"github.com/acme/docs"}`),
		"a change in place of the key":     said(record.TypeChangeClosed, `,"subject":"acme/docs#1","partitionkey":"github.com/acme/docs/pull/1"`, `{}`),
		"a CDEvent and whose change it is": said("dev.cdevents.pipelinerun.finished.0.2.0", `,"subject":"acme/docs#1"`, `{"context":{"type":"dev.cdevents.pipelinerun.finished.0.2.0","timestamp":"2026-03-01T03:47:00Z"},"subject":{"id":"p","source":"https://tekton.example/ns/runs/7","content":{"outcome":"success"}},"customData":{"repository":"github.com/acme/docs"}}`),
	} {
		if r := s.send(t, "POST", "/v1/events", structured, []byte(body)); r.status != http.StatusNoContent {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if e := s.next(t, 1)[0]; !strings.EqualFold(e.PartitionKey, "github.com/acme/docs") {
			t.Errorf("%s lies under %s", name, e.PartitionKey)
		}
	}
}

// TestNobodySpeaksAsAnother, however the data are sent; the refusal is a finding, too.
func TestNobodySpeaksAsAnother(t *testing.T) {
	known, tokens := credentials(t, "name: a-prod, agent: a", "name: mira, person: mira.s")
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Credentials = known })
	for _, c := range []struct {
		as        int
		typ, data string
	}{
		{0, record.TypeDecisionRecorded, `{"agent":{"id":"b"}}`},
		{0, record.TypeActionPerformed, `{"agent":{"id":"b"},"tool":"x"}`},
		{0, record.TypeChangeOpened, `{"agent":"b"}`},
		{0, record.TypeChangeMerged, `{"agent":"b"}`},
		{1, record.TypeReviewSubmitted, `{"reviewer":"ana","verdict":"approved"}`},
		{1, record.TypeApprovalGranted, `{"approver":"ana"}`},
		{1, "dev.cdevents.change.reviewed.0.2.0", `{"context":{"type":"dev.cdevents.change.reviewed.0.2.0"},"subject":{"id":"acme/payments#1"},"customData":{"reviewer":"ana","verdict":"approved"}}`},
	} {
		auth := map[string]string{"Authorization": tokens[c.as], "Content-Type": "application/octet-stream"}
		s.send(t, "PUT", "/v1/blobs", auth, []byte(c.data))
		auth["Content-Type"] = schemas.ContentTypeEvent
		const about = `,"subject":"github.com/acme/payments/pull/1"`
		for way, body := range map[string]string{
			"in the event": said(c.typ, about, c.data),
			"by dataref":   said(c.typ, about+`,"dataref":"`+digests.Of([]byte(c.data))+`"`, ""),
			"by both":      said(c.typ, about+`,"dataref":"`+digests.Of([]byte(c.data))+`"`, c.data),
			"beside null":  said(c.typ, about+`,"dataref":"`+digests.Of([]byte(c.data))+`"`, "null"),
		} {
			p := s.send(t, "POST", "/v1/events", auth, []byte(body)).problem(t, http.StatusForbidden)
			if len(p.Errors) != 1 || p.Errors[0].Reason != string(schemas.NotTheSenders) {
				t.Errorf("%s %s: %+v", c.typ, way, p)
			}
			if e := s.next(t, 1)[0]; e.Type != record.TypeIdentityRefused {
				t.Errorf("%s %s: %s came", c.typ, way, e.Type)
			}
		}
	}
	s.none(t)
}

// TestTheEnricherChecksPermissionAgain writes to Kafka what no gateway would have signed, but
// signs it with the gateways' key.
func TestTheEnricherChecksPermissionAgain(t *testing.T) {
	for name, c := range map[string]struct {
		env  schemas.Envelope
		want schemas.Reason
	}{
		"another agent":        {schemas.Envelope{Type: record.TypeDecisionRecorded, AuthType: schemas.AuthService, AuthID: "a", Data: []byte(`{"agent":{"id":"b"}}`)}, schemas.NotTheSenders},
		"another person":       {schemas.Envelope{Type: record.TypeApprovalGranted, AuthType: schemas.AuthUser, AuthID: "mira", Data: []byte(`{"approver":"ana"}`)}, schemas.NotTheSenders},
		"a finding of a CI":    {schemas.Envelope{Type: record.TypeIdentityRefused, AuthType: schemas.AuthSystem, AuthID: "jenkins", Data: []byte(`{"agent":"b","credential":"c"}`)}, schemas.NotTheSenders},
		"a finding of nobody":  {schemas.Envelope{Type: record.TypeIdentityRefused, Data: []byte(`{"agent":"b","credential":"c"}`)}, schemas.NotTheSenders},
		"a finding of its own": {schemas.Envelope{Type: record.TypeIdentityRefused, AuthType: schemas.AuthSystem, AuthID: "gateway", Data: []byte(`{"agent":"b","credential":"c"}`)}, ""},
		"a platform":           {schemas.Envelope{Type: record.TypeDecisionRecorded, AuthType: schemas.AuthSystem, AuthID: "jenkins", Data: []byte(`{"agent":{"id":"b"}}`)}, ""},
		"nobody":               {schemas.Envelope{Type: record.TypeDecisionRecorded, Data: []byte(`{"agent":{"id":"b"}}`)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.env
			e.SpecVersion, e.ID, e.Source, e.Subject = "1.0", "1", "/x", "acme/payments#1"
			if e.AuthID != "" {
				e.AuthMAC = schemas.Sign(signingKeys, e)
			}
			r := &stream.Record{Value: e.Data, Timestamp: time.Now()}
			e.Attributes(func(name, value string) bool {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
				return true
			})
			_, err := enricher.DecodeSigned(r, signingKeys)
			switch refusal := schemas.AsRefusal(err); {
			case c.want == "" && err != nil, c.want != "" && (refusal == nil || refusal.Reason != c.want):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestTheGatewayRefusesWhatTheEnricherWould: a time in the future, for example, with a
// margin for the broker's clock and for the time in the spool.
func TestTheGatewayRefusesWhatTheEnricherWould(t *testing.T) {
	s := newSite(t, nil)
	at := func(in time.Duration) string { return time.Now().Add(in).UTC().Format(time.RFC3339) }
	cdevent := func(at string) string {
		return said("dev.cdevents.change.merged.0.2.0", "", `{"context":{"type":"dev.cdevents.change.merged.0.2.0","timestamp":"`+at+`"},"subject":{"id":"github.com/acme/p/pull/1"}}`)
	}
	own := func(at string) string {
		return said(record.TypeChangeClosed, `,"subject":"acme/p#1","time":"`+at+`"`, `{}`)
	}
	for _, in := range []time.Duration{96 * time.Hour, 24*time.Hour - time.Minute, -20*365*24*time.Hour + time.Hour} {
		for _, body := range []string{cdevent(at(in)), own(at(in))} {
			if p := s.send(t, "POST", "/v1/events", structured, []byte(body)).problem(t, http.StatusUnprocessableEntity); p.Errors[0].Reason != string(schemas.ClockSkew) {
				t.Errorf("%s: %+v", in, p)
			}
		}
	}
	for _, in := range []time.Duration{22 * time.Hour, 0, -19 * 365 * 24 * time.Hour} {
		if r := s.send(t, "POST", "/v1/events", structured, []byte(own(at(in)))); r.status != http.StatusNoContent {
			t.Errorf("%s: %+v", in, r)
		}
	}
	s.next(t, 3)
	s.none(t)
}

// TestSecretsByReferenceDoNotReachTheBroker: data in the blob store are redacted,
// and the redacted copy has a digest of its own.
func TestSecretsByReferenceDoNotReachTheBroker(t *testing.T) {
	token := "ghp" + "_x7Kq2mVbT9sLw4RzNf1YcHp8DgJeA3uB6iOt"
	var store Blobs
	s := newSite(t, func(c *Config, _ *producer.Options) { store = c.Blobs })
	for name, padding := range map[string]string{"small": "", "large": strings.Repeat("y", 2*schemas.ClaimCheckSize)} {
		data := `{"agent":{"id":"a"},"tool":"Bash","arguments":{"command":"git push https://x:` + token + `@github.com/acme/payments","x":"` + padding + `"}}`
		s.send(t, "PUT", "/v1/blobs", nil, []byte(data))
		ref := digests.Of([]byte(data))
		if r := s.send(t, "POST", "/v1/events", structured, []byte(said(record.TypeActionPerformed, `,"subject":"acme/payments#1","dataref":"`+ref+`"`, ""))); r.status != http.StatusNoContent {
			t.Fatalf("%s: %+v", name, r)
		}
		e := s.next(t, 1)[0]
		kept, err := store.Get(t.Context(), e.DataRef)
		if err != nil || e.DataRef == ref || len(e.Data) > 0 || strings.Contains(string(kept), token) || !strings.Contains(string(kept), "[redacted:github-pat:") || e.Redacted != "github-pat" {
			t.Errorf("%s: %+v, %v: %.200s", name, e, err, kept)
		}
	}
}

func TestAnUnreachableStoreIsNoFaultOfTheEvent(t *testing.T) {
	s := newSite(t, func(c *Config, _ *producer.Options) { c.Blobs = away{c.Blobs} })
	r := s.send(t, "POST", "/v1/events", structured, []byte(said(record.TypeEventNoted, `,"partitionkey":"github.com/acme/docs","dataref":"`+digests.Of(nil)+`"`, "")))
	if r.problem(t, http.StatusServiceUnavailable); r.header.Get("Retry-After") == "" {
		t.Errorf("%+v", r)
	}
	s.none(t)
}

type away struct{ Blobs }

func (away) Get(context.Context, string) ([]byte, error) {
	return nil, errors.New("connection refused")
}
