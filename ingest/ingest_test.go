package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/ingest"
	"github.com/changetrail/changetrail/internal/corpus"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// shelf is a blob store in memory. A nil shelf cannot be reached.
type shelf map[string][]byte

func (s shelf) Get(_ context.Context, digest string) ([]byte, error) {
	if s == nil {
		return nil, errors.New("connection refused")
	}
	if data, ok := s[digest]; ok {
		return data, nil
	}
	return nil, blobs.ErrNotFound
}

func put(data string) (string, shelf) {
	digest := digests.Of([]byte(data))
	return digest, shelf{digest: []byte(data)}
}

// TestWhatAnEventIsAbout lists which of the names in an event takes precedence.
func TestWhatAnEventIsAbout(t *testing.T) {
	const docs, pay = record.Repository(corpus.Docs), record.Repository(corpus.Payments)
	cdevent := func(source, content, custom string) string {
		return `{"context":{"type":"dev.cdevents.pipelinerun.finished.0.2.0"},"subject":{"id":"p","source":"` + source + `","content":` + content + `},"customData":` + custom + `}`
	}
	const run = "dev.cdevents.pipelinerun.finished.0.2.0"
	for name, c := range map[string]struct {
		typ, subject, partition, key, data string
		repo                               record.Repository
		change                             record.ChangeID
		want                               schemas.Reason
	}{
		"a subject":                           {record.TypeChangeClosed, "acme/docs#1", "", "", `{}`, docs, "github.com/acme/docs/pull/1", ""},
		"a subject, whatever the key":         {record.TypeChangeClosed, "acme/docs#1", "", corpus.Payments, `{}`, docs, "github.com/acme/docs/pull/1", ""},
		"a partitionkey":                      {record.TypeEventNoted, "", corpus.Docs, "", `{}`, docs, "", ""},
		"a partitionkey, whatever the key":    {record.TypeEventNoted, "", corpus.Docs, corpus.Payments, `{}`, docs, "", ""},
		"its data":                            {record.TypeEventNoted, "", "", corpus.Payments, `{"repository":"` + corpus.Docs + `"}`, docs, "", ""},
		"a key":                               {record.TypeEventNoted, "", "", corpus.Docs, `{}`, docs, "", ""},
		"a key beside a partitionkey that is": {record.TypeEventNoted, "", "p-7", corpus.Docs, `{}`, docs, "", ""},
		"nothing":                             {record.TypeEventNoted, "", "", "k", `{}`, "", "", schemas.NoRepository},
		"a subject that is none":              {record.TypeEventNoted, "x", corpus.Docs, "", `{}`, "", "", schemas.NotAChange},
		"a push to the default branch":        {record.TypeCommitsPushed, "", corpus.Docs, "", `{"branch":"main","default":true,"after":"ABCDEF1"}`, docs, "github.com/acme/docs/commit/abcdef1", ""},
		"a push that is another commit's":     {record.TypeCommitsPushed, "github.com/acme/docs/commit/1111111", "", "", `{"branch":"main","after":"ABCDEF1"}`, "", "", schemas.NamesConflict},
		"a run, and no repository":            {record.TypeActionPerformed, "", "", "", `{"agent":{"id":"a","run":"r"},"tool":"x"}`, "", "", ""},
		"a run by the address of its log":     {record.TypeActionPerformed, "", "run:https://github.com/acme/docs/actions/runs/1", "run:https://github.com/acme/docs/actions/runs/1", `{"agent":{"id":"a","logs_url":"https://github.com/acme/docs/actions/runs/1"},"tool":"x"}`, "", "", ""},
		"a run, whatever the key":             {record.TypeActionPerformed, "", "run:r", corpus.Payments, `{"agent":{"id":"a","run":"r"},"tool":"x"}`, "", "", ""},
		"subject and partitionkey":            {record.TypeChangeClosed, "acme/docs#1", corpus.Payments, "", `{}`, "", "", schemas.NamesConflict},
		"partitionkey and data":               {record.TypeEventNoted, "", corpus.Docs, "", `{"repository":"` + corpus.Payments + `"}`, "", "", schemas.NamesConflict},
		"CDEvent: its subject is elsewhere":   {run, "acme/docs#1", "", "", cdevent("https://tekton.example/ns/runs/7", `{}`, `{}`), docs, "github.com/acme/docs/pull/1", ""},
		"CDEvent: customData":                 {run, "", "", corpus.Payments, cdevent("https://tekton.example/ns/runs/7", `{}`, `{"repository":"`+corpus.Docs+`"}`), docs, "", ""},
		"CDEvent: a change in customData":     {run, "", "", corpus.Payments, cdevent("", `{}`, `{"change":"acme/docs#1"}`), docs, "github.com/acme/docs/pull/1", ""},
		"CDEvent: a number":                   {run, "", corpus.Docs, "", cdevent("", `{}`, `{"change":"1"}`), docs, "github.com/acme/docs/pull/1", ""},
		"CDEvent: whose source is asked last": {run, "", "", corpus.Docs, cdevent("https://tekton.example/ns/runs/7", `{}`, `{}`), docs, "", ""},
		"CDEvent: another partitionkey":       {run, "", corpus.Payments, "", cdevent("", `{}`, `{"repository":"`+corpus.Docs+`"}`), "", "", schemas.NamesConflict},
		"CDEvent: another change":             {run, "acme/docs#2", "", "", cdevent("", `{}`, `{"change":"acme/docs#1"}`), "", "", schemas.NamesConflict},
		"CDEvent: a change of another":        {run, "", "", "", cdevent("", `{}`, `{"change":"acme/docs#1","repository":"`+corpus.Payments+`"}`), "", "", schemas.NamesConflict},
		"CDEvent: two repositories":           {run, "", "", "", cdevent("", `{"repository":{"url":"https://`+corpus.Payments+`"}}`, `{"repository":"`+corpus.Docs+`"}`), "", "", schemas.NamesConflict},
	} {
		t.Run(name, func(t *testing.T) {
			env := schemas.Envelope{SpecVersion: "1.0", ID: "1", Source: "/x", Type: c.typ, Subject: c.subject, PartitionKey: c.partition, Data: []byte(c.data)}
			e, err := ingest.Reader{}.Read(t.Context(), env, []byte(c.key), time.Now())
			if refusal := schemas.AsRefusal(err); c.want != "" {
				if refusal == nil || refusal.Reason != c.want {
					t.Errorf("%v, want %s", err, c.want)
				}
				if c.want == schemas.NamesConflict && len(e.Named) == 0 {
					t.Error("it is not said which repositories are named")
				}
				return
			}
			if err != nil || e.Repository != c.repo || e.Change != c.change {
				t.Errorf("it is about %s, %s: %v", e.Repository, e.Change, err)
			}
			if c.repo == pay {
				t.Error("the key was believed")
			}
		})
	}
}

// TestDataAreTheSameWhereverTheyLie reads each event with its data inline and by dataref.
func TestDataAreTheSameWhereverTheyLie(t *testing.T) {
	now := time.Now()
	read := 0
	for _, c := range corpus.New(3, 1500, 1, now) {
		if c.Blob != nil || c.Attributes["dataref"] != "" || len(c.Data) == 0 {
			continue
		}
		m := c.Kafka(now)
		env, err := schemas.Open(m)
		if err != nil || len(env.Data) == 0 {
			continue
		}
		here, errHere := ingest.Reader{}.Read(t.Context(), env, m.Key, now)
		ref, store := put(string(env.Data))
		env.DataRef, env.Data = ref, nil
		there, errThere := ingest.Reader{Blobs: store}.Read(t.Context(), env, m.Key, now)
		if reasonOf(errHere) == schemas.TooLarge {
			continue
		}
		if reasonOf(errHere) != reasonOf(errThere) {
			t.Errorf("%s: %v in the event, %v elsewhere", c.Name, errHere, errThere)
		}
		if diff := cmp.Diff(here.Event, there.Event); diff != "" && errHere == nil {
			t.Errorf("%s (-in the event +elsewhere):\n%s", c.Name, diff)
		}
		read++
	}
	if read < 500 {
		t.Errorf("only %d events were compared", read)
	}
}

func reasonOf(err error) schemas.Reason {
	if r := schemas.AsRefusal(err); r != nil {
		return r.Reason
	}
	return ""
}

func TestDataBesideDatarefAreThose(t *testing.T) {
	ref, store := put(`{"summary":"x"}`)
	env := schemas.Envelope{SpecVersion: "1.0", ID: "1", Source: "/x", Type: record.TypeEventNoted, PartitionKey: corpus.Docs, DataRef: ref}
	for data, want := range map[string]schemas.Reason{`{"summary":"x"}`: "", `{"summary":"y"}`: schemas.DigestMismatch, " null ": "", "": ""} {
		env.Data = []byte(data)
		e, err := ingest.Reader{Blobs: store}.Read(t.Context(), env, nil, time.Now())
		if reasonOf(err) != want {
			t.Errorf("%q: %v", data, err)
		}
		if f, ok := e.Fact.(*record.Activity); want == "" && (!ok || f.Summary != "x" || string(e.Envelope.Data) != `{"summary":"x"}`) {
			t.Errorf("%q: %+v", data, e)
		}
	}
	env.Data = nil
	var store503 *ingest.StoreError
	if _, err := (ingest.Reader{Blobs: shelf(nil)}).Read(t.Context(), env, nil, time.Now()); !errors.As(err, &store503) || schemas.AsRefusal(err) != nil {
		t.Errorf("a store that is away: %v", err)
	}
}

// TestTheProducerAgrees: a producer, which is light and reads no reports, accepts exactly the
// events that can be read.
func TestTheProducerAgrees(t *testing.T) {
	now := time.Now()
	taken := 0
	for _, c := range corpus.New(5, 3000, 1, now) {
		var e event.Event
		c.Mode = corpus.Structured
		m := c.Kafka(now)
		env, err := schemas.Open(m)
		if err != nil || e.UnmarshalJSON(m.Value) != nil || env.DataRef != "" || env.DataContentType != "" && env.DataContentType != "application/json" || env.Time.IsZero() {
			continue // the SDK reads others in another way, or it is filled in
		}
		_, errRead := ingest.Reader{Early: true}.Read(t.Context(), env, nil, now)
		errCheck := producer.Check(e)
		switch reason := reasonOf(errRead); {
		case errRead == nil && c.Attributes["subject"] == " ": // the SDK refuses it, and a platform means nothing by it
		case errCheck != nil && reasonOf(errCheck) == schemas.UnknownType: // it takes others' events with a partitionkey alone
		case errRead == nil && errCheck != nil:
			t.Errorf("%s: the producer alone refuses it: %v", c.Name, errCheck)
		case errCheck == nil && errRead != nil && reason != schemas.BadReport && reason != schemas.DigestMismatch && reason != schemas.UnknownType && reason != schemas.TooLarge && !strings.HasPrefix(env.Type, "com.") && !strings.HasPrefix(env.Type, "dev.cdevents."):
			t.Errorf("%s: the producer takes it: %v", c.Name, errRead)
		case errCheck == nil:
			taken++
		}
	}
	if taken < 500 {
		t.Errorf("only %d events were taken", taken)
	}
}

// TestAllow checks each kind of credential with each kind of fact.
func TestAllow(t *testing.T) {
	agent := identity.Principal{Name: "a-prod", Agent: "a"}
	person := identity.Principal{Name: "mira", Person: "mira"}
	ci := identity.Principal{Name: "ci", Platform: "ci", Repositories: []string{corpus.Docs}}
	nobody := identity.Principal{}
	in := func(repo record.Repository, f record.Fact) ingest.Event {
		return ingest.Event{Event: record.Event{Repository: repo, Fact: f}}
	}
	b := record.Agent{ID: "b"}
	for i, c := range []struct {
		who  identity.Principal
		e    ingest.Event
		want schemas.Reason
	}{
		{agent, in(corpus.Docs, &record.Decision{Agent: record.Agent{ID: "a"}}), ""},
		{agent, in(corpus.Docs, &record.Decision{Agent: b}), schemas.NotTheSenders},
		{agent, in(corpus.Docs, &record.Opened{Revision: record.Revision{Agent: "b"}}), schemas.NotTheSenders},
		{agent, in(corpus.Docs, &record.Opened{}), ""},
		{agent, in("", &record.Spans{Spans: []record.Span{{AgentID: "a"}, {AgentID: "b"}}}), schemas.NotTheSenders},
		{person, in(corpus.Docs, &record.Review{Reviewer: "mira"}), ""},
		{person, in(corpus.Docs, &record.Review{Reviewer: "ana"}), schemas.NotTheSenders},
		{person, in(corpus.Docs, &record.Approval{Approver: "ana"}), schemas.NotTheSenders},
		{ci, in(corpus.Docs, &record.Review{Reviewer: "ana"}), ""},
		{ci, in(corpus.Payments, &record.Validation{}), schemas.NotAllowed},
		{ci, in("", &record.Action{}), schemas.NotAllowed},
		{ci, in("", &record.Spans{Spans: []record.Span{{Repository: corpus.Docs}, {Repository: corpus.Payments}}}), schemas.NotAllowed},
		{ci, ingest.Event{Named: []record.Repository{corpus.Docs, corpus.Payments}}, schemas.NotAllowed},
		{nobody, in(corpus.Payments, &record.Decision{Agent: b}), ""},
		{nobody, in(corpus.Payments, &record.IdentityRefused{}), schemas.NotTheSenders},
		{nobody, in(corpus.Payments, &record.BreakGlass{}), schemas.NotTheSenders},
		{ci, in(corpus.Docs, &record.RunNamed{}), schemas.NotTheSenders},
	} {
		if err := ingest.Allow(c.who, &c.e, nil); reasonOf(err) != c.want {
			t.Errorf("case %d: %v, want %q", i, err, c.want)
		}
	}
	conflict := schemas.Refuse(schemas.NamesConflict, "x")
	named := ingest.Event{Named: []record.Repository{corpus.Docs}}
	if err := ingest.Allow(ci, &named, conflict); !errors.Is(err, conflict) {
		t.Errorf("of repositories that are its own: %v", err)
	}
}

// TestWhatIsCompletedIsAllowed: the sender may state what its credential adds.
func TestWhatIsCompletedIsAllowed(t *testing.T) {
	for _, who := range []identity.Principal{{Name: "a", Agent: "a", Repositories: []string{corpus.Docs}}, {Name: "a", Agent: "a"}, {Name: "ci", Platform: "ci", Repositories: []string{corpus.Docs}}} {
		for _, f := range []record.Fact{&record.Spans{Spans: []record.Span{{}, {AgentID: who.Agent, Repository: corpus.Docs}}}, &record.Action{Agent: record.Agent{ID: who.Agent}}} {
			e := ingest.Event{Event: record.Event{Fact: f}}
			ingest.Complete(who, &e)
			if err := ingest.Allow(who, &e, nil); err != nil {
				t.Errorf("%+v of %s: %v", f, who.Name, err)
			}
		}
	}
}

// FuzzRead: an event that was read is read again with the same result, is about one repository or
// one run, and satisfies its schema.
func FuzzRead(f *testing.F) {
	now := time.Date(2026, 11, 29, 3, 47, 0, 0, time.UTC)
	for _, c := range corpus.New(1, 200, 1, now) {
		a := c.Attributes
		f.Add(a["type"], a["subject"], a["partitionkey"], c.Key, a["datacontenttype"], c.Data)
	}
	f.Fuzz(func(t *testing.T, typ, subject, partition, key, media string, data []byte) {
		env := schemas.Envelope{SpecVersion: "1.0", ID: "1", Source: "/x", Type: typ, Subject: subject, PartitionKey: partition, DataContentType: media, Data: data, Time: now}
		if env.Check() != nil {
			return
		}
		e, err := ingest.Reader{}.Read(t.Context(), env, []byte(key), now)
		if err != nil {
			if schemas.AsRefusal(err) == nil {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		if err := schemas.Check(e.Fact); err != nil {
			t.Errorf("what was read breaks its schema: %v", err)
		}
		if (e.Repository == "") == (e.Run == "") {
			t.Errorf("it is in repository %q and room %q", e.Repository, e.Run)
		}
		if e.Change != "" && e.Change.Repository() != e.Repository {
			t.Errorf("%s is not of %s", e.Change, e.Repository)
		}
		env = e.Envelope
		env.PartitionKey = e.Home() // as a gateway sends it on
		again, err := ingest.Reader{}.Read(t.Context(), env, []byte(e.Home()), now)
		if err != nil {
			t.Fatalf("sent on under %s it is refused: %v", e.Home(), err)
		}
		if diff := cmp.Diff(fmt.Sprintf("%+v", e.Event), fmt.Sprintf("%+v", again.Event)); diff != "" && e.Digest != again.Digest {
			t.Errorf("sent on it is another (-first +again):\n%s", diff)
		}
	})
}
