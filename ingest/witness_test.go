package ingest_test

import (
	"testing"
	"time"

	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/corpus"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

func TestWhatAPlatformMayState(t *testing.T) {
	ci := identity.Principal{Name: "ci", Platform: "ci", May: []string{settings.Tests, settings.Scans}}
	of := func(typ string, f record.Fact) ingest.Event {
		return ingest.Event{Envelope: schemas.Envelope{Type: typ}, Event: record.Event{Repository: corpus.Docs, Fact: f}}
	}
	for name, c := range map[string]struct {
		who  identity.Principal
		e    ingest.Event
		want schemas.Reason
	}{
		"a test":                     {ci, of("", &record.Validation{}), ""},
		"a review":                   {ci, of("", &record.Review{}), schemas.NotTheSenders},
		"a review as a CDEvent":      {ci, of("dev.cdevents.change.reviewed.0.2.0", &record.Review{}), schemas.NotTheSenders},
		"a merge":                    {ci, of("", &record.Merged{}), schemas.NotTheSenders},
		"a decision, which is none":  {ci, of("", &record.Decision{}), ""},
		"a note":                     {ci, of("", &record.Activity{}), ""},
		"a webhook of GitHub":        {identity.Principal{Name: "x", Platform: "github"}, of("com.github.push", &record.Activity{}), schemas.NotTheSenders},
		"GitHub's own webhook":       {identity.Principal{Name: "github", Platform: "github", Webhook: true}, of("com.github.push", &record.Activity{}), ""},
		"a webhook of nobody":        {identity.Principal{}, of("com.github.push", &record.Activity{}), ""},
		"a webhook with agent's key": {identity.Principal{Name: "a", Agent: "a"}, of("com.gitlab.push", &record.Activity{}), schemas.NotTheSenders},
	} {
		if err := ingest.Allow(c.who, &c.e, nil); reasonOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestTrust(t *testing.T) {
	review := func(source string) schemas.Envelope {
		return schemas.Envelope{SpecVersion: "1.0", ID: "1", Source: source, Type: record.TypeReviewSubmitted, Subject: "acme/docs#1", Data: []byte(`{"reviewer":"ana","verdict":"approved"}`)}
	}
	r := ingest.Reader{Trust: []settings.Trust{
		{Source: "/ci/*", As: record.Observed, May: []string{settings.Tests}},
		{Source: "https://github.com/**", As: record.Observed},
		{Source: "/desk", As: record.Human},
	}}
	for source, want := range map[string]string{
		"/ci/1": record.Claimed, "/ci": record.Claimed, "https://github.com/acme/docs": record.Observed, "https://github.com": record.Claimed,
		"https://github.community/x": record.Claimed, "/desk": record.Human, "/desk/1": record.Claimed,
	} {
		e, err := r.Read(t.Context(), review(source), nil, time.Now())
		if err != nil || e.Witness != want {
			t.Errorf("%s: %s, want %s: %v", source, e.Witness, want, err)
		}
	}
	for name, wrong := range map[string]settings.Trust{
		"no source":              {As: record.Observed},
		"no pattern":             {Source: "[", As: record.Observed},
		"no witness":             {Source: "/x", As: "true"},
		"a claim":                {Source: "/x", As: record.Claimed},
		"an unknown kind":        {Source: "/x", As: record.Observed, May: []string{"merges"}},
		"kinds that are nothing": {Source: "/x", As: record.Human, May: []string{settings.Reviews}},
	} {
		if wrong.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestStatedArrival: who may state when an event arrived, and which times are allowed.
func TestStatedArrival(t *testing.T) {
	now := time.Date(2026, 11, 29, 3, 47, 0, 0, time.UTC)
	key := signing.Of([]byte("a key of the tests"))
	at := func(text string) schemas.Envelope {
		return schemas.Envelope{SpecVersion: "1.0", ID: "1", Source: "/x", Type: record.TypeEventNoted, PartitionKey: corpus.Docs, Data: []byte(`{}`), ArrivedAt: text}
	}
	stamped := func(text string) schemas.Envelope {
		e := at(text)
		e.AuthType, e.AuthID = schemas.AuthSystem, "ci"
		e.Imported = "true"
		e.AuthMAC = schemas.Sign(key, e)
		return e
	}
	moved := stamped("2026-03-01T03:47:00Z")
	moved.ArrivedAt = "2026-01-01T03:47:00Z"
	trusted := []settings.Trust{{Source: "/x", As: record.Observed, History: true}}
	for name, c := range map[string]struct {
		env   schemas.Envelope
		trust []settings.Trust
		want  string // the arrival; empty: refused
	}{
		"it is stamped":             {stamped("2026-03-01T03:47:00Z"), nil, "2026-03-01T03:47:00Z"},
		"in another zone":           {stamped("2026-03-01T05:47:00+02:00"), nil, "2026-03-01T03:47:00Z"},
		"stamped, and changed":      {moved, nil, "2026-11-29T03:47:00Z"},
		"not stamped":               {at("2026-03-01T03:47:00Z"), nil, "2026-11-29T03:47:00Z"},
		"not stamped, nor readable": {at("yesterday"), nil, "2026-11-29T03:47:00Z"},
		"trusted":                   {at("2026-03-01T03:47:00Z"), trusted, "2026-03-01T03:47:00Z"},
		"trusted for no history":    {at("2026-03-01T03:47:00Z"), []settings.Trust{{Source: "/x", As: record.Observed}}, "2026-11-29T03:47:00Z"},
		"still to come":             {stamped("2027-03-01T03:47:00Z"), nil, ""},
		"before 1970":               {stamped("1969-03-01T03:47:00Z"), nil, ""},
		"no time":                   {stamped("yesterday"), nil, ""},
	} {
		e, err := ingest.Reader{Keys: key, Trust: c.trust}.Read(t.Context(), c.env, nil, now)
		if c.want == "" {
			if schemas.AsRefusal(err) == nil {
				t.Errorf("%s: taken as %s: %v", name, e.Arrived, err)
			}
			continue
		}
		if err != nil || e.Arrived.Format(time.RFC3339) != c.want || e.Imported != (c.want != now.Format(time.RFC3339)) {
			t.Errorf("%s: it arrived %s, imported %t, want %s: %v", name, e.Arrived, e.Imported, c.want, err)
		}
	}
}
