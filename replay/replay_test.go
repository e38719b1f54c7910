package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
	"github.com/changetrail/changetrail/schemas"
)

const change = record.ChangeID("github.com/acme/payments/pull/1")

var noon = time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)

func sha(n int) string { return fmt.Sprintf("%040x", n) }

// An index in memory, made from events as an enricher would.
type index struct {
	record jsontext.Value
	docs   []*schemas.EventDocument
}

func (x *index) Record(context.Context, string) (jsontext.Value, error) { return x.record, nil }

func (x *index) Named(context.Context, record.ChangeID) ([]jsontext.Value, error) { return nil, nil }

func (x *index) Events(_ context.Context, q schemas.EventQuery, f func(string, jsontext.Value) error) error {
	for _, d := range x.docs {
		mine := q.Change != "" && d.Trail.Change != nil && d.Trail.Change.ID == q.Change
		if !mine && !slices.ContainsFunc(d.Trail.Refs, func(r record.Ref) bool { return slices.Contains(q.Refs, r) }) {
			continue
		}
		if err := f(d.Event.ID+d.Event.Provider, d.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

func indexOf(t *testing.T, events ...record.Event) *index {
	t.Helper()
	x := new(index)
	for i, e := range events {
		e.Repository, e.Type = change.Repository(), record.TypeOf(e.Fact)
		if e.ID == "" {
			e.ID = fmt.Sprint(i)
		}
		if e.Arrived.IsZero() {
			e.Arrived = e.Time
		}
		if err := schemas.Fingerprint(&e, e.Time); err != nil {
			t.Fatal(err)
		}
		events[i] = e
		d := new(schemas.EventDocument)
		d.Describe(&e, &schemas.Envelope{Type: e.Type}, e.Stored, e.Arrived, "default")
		if e.Change != "" {
			d.Trail.Change = &schemas.EventChange{ID: e.Change}
		}
		x.docs = append(x.docs, d)
	}
	r := record.Fold(change, record.Gather(change, events))
	r.Judge(record.Authority{})
	x.record = schemas.Seal(nil, r, 1, "")
	return x
}

// history is a change with events that name only its commit, its report or its run.
func history() []record.Event {
	agent := record.Agent{ID: "claude", Run: "run-1"}
	report := record.Report{Digest: digests.Of([]byte("report")), Format: "sarif"}
	return []record.Event{
		{Source: "/scanner", Time: noon.Add(-3 * time.Hour), Witness: record.Observed, Fact: &record.Scan{Tool: record.Tool{Name: "grype"}, Report: report}},
		{
			Source: "/agent", Change: change, Time: noon.Add(-2 * time.Hour), Arrived: noon.Add(3 * time.Hour), Witness: record.Signed,
			Fact: &record.Decision{Agent: agent, Trigger: &record.Trigger{Kind: "scan", Digest: report.Digest}, Options: []record.Option{{ID: "a", Outcome: "chosen"}}},
		},
		{Source: "/agent", Time: noon.Add(-90 * time.Minute), Witness: record.Signed, Fact: &record.Action{Agent: agent, Tool: "Edit"}},
		{Source: "/host", Change: change, Time: noon.Add(-time.Hour), Witness: record.Observed, Fact: &record.Opened{Revision: record.Revision{HeadSHA: sha(1), Author: "claude"}}},
		{Source: "/ci", Time: noon.Add(-30 * time.Minute), Fact: &record.Validation{Name: "unit", CommitSHA: sha(1), Conclusion: "success"}},
		{Source: "/host", Change: change, Time: noon, Witness: record.Observed, Fact: &record.Merged{MergeSHA: sha(2), MergedBy: "bert"}},
		{Source: "/cd", Time: noon.Add(time.Hour), Witness: record.Observed, Fact: &record.Deployment{Environment: "production", Outcome: "success", CommitSHA: sha(2)}},
		{Source: "/cd", Time: noon.Add(time.Hour), Witness: record.Observed, Fact: &record.Deployment{Environment: "production", Outcome: "success", CommitSHA: sha(3)}},
	}
}

type blobs map[string]string

func (b blobs) Get(_ context.Context, digest string) ([]byte, error) {
	if text, ok := b[digest]; ok {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

func held() blobs { return blobs{digests.Of([]byte("report")): "report"} }

func load(t *testing.T, x *index) *replay.Story {
	t.Helper()
	s, err := replay.Load(t.Context(), x, change)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryEventIsListedWithBothTimesAndItsWitness(t *testing.T) {
	s := load(t, indexOf(t, history()...))
	type line struct{ action, names, witness, lag string }
	var got []line
	for _, e := range s.Events {
		got = append(got, line{e.Action, e.Names, e.Witness, e.Lag()})
	}
	want := []line{
		{"scan-completed", "report " + digests.Of([]byte("report")), record.Observed, ""},
		{"decision-recorded", "change", record.Signed, "received 5 h later"},
		{"action-performed", "run run-1", record.Signed, ""},
		{"change-opened", "change", record.Observed, ""},
		{"validation-completed", "commit " + sha(1), record.Claimed, ""},
		{"change-merged", "change", record.Observed, ""},
		{"deployment-finished", "commit " + sha(2), record.Observed, ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := s.Count(); got != "7 events, all here" {
		t.Error(got)
	}
	if got := s.In(replay.ByArrival)[6].Action; got != "decision-recorded" {
		t.Errorf("the last to arrive is %s", got)
	}
	var text bytes.Buffer
	if err := s.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[signed, received 5 h later]", "made from 7 events, all here", "deployment-finished: production: success"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the story does not say %q:\n%s", want, &text)
		}
	}
}

func TestLag(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{0, ""},
		{2 * time.Minute, ""},
		{-2 * time.Minute, ""},
		{121 * time.Second, "received 2 min later"},
		{119 * time.Minute, "received 119 min later"},
		{4 * time.Hour, "received 4 h later"},
		{72 * time.Hour, "received 3 days later"},
		{-3 * time.Hour, "dated 3 h after it was received"},
	} {
		if got := replay.Lag(noon, noon.Add(c.after)); got != c.want {
			t.Errorf("%s: %q, want %q", c.after, got, c.want)
		}
	}
	if got := replay.Lag(noon, time.Time{}); got != "" {
		t.Errorf("an arrival that nobody knows: %q", got)
	}
}

func TestACheckSaysWhatIsMissing(t *testing.T) {
	cases := map[string]struct {
		change func(*index, blobs)
		want   string
	}{
		"nothing":  {func(*index, blobs) {}, ""},
		"an event": {func(x *index, _ blobs) { x.docs = x.docs[:6] }, "events: the record is made from 7; 6 are here"},
		"a report": {func(_ *index, b blobs) { clear(b) }, "missing: " + digests.Of([]byte("report"))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			x, files, dir := indexOf(t, history()...), held(), t.TempDir()
			c.change(x, files)
			if _, err := load(t, x).Save(t.Context(), dir, files, noon); err != nil {
				t.Fatal(err)
			}
			checked, err := replay.Check(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(checked.Absent, "\n"); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("lacks %q, want %q", got, c.want)
			}
		})
	}
}

func TestACheckNoticesWhatWasChanged(t *testing.T) {
	const manifest = replay.ManifestName
	replace := func(file, old, by string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			path := filepath.Join(dir, file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			now := bytes.Replace(text, []byte(old), []byte(by), 1)
			if bytes.Equal(now, text) {
				t.Fatalf("%s does not stand in %s", old, file)
			}
			if err := os.WriteFile(path, now, 0o600); err != nil {
				t.Fatal(err)
			}
			if file != manifest { // whoever changes a file may change the manifest, too
				body, err := os.ReadFile(filepath.Join(dir, manifest))
				if err != nil {
					t.Fatal(err)
				}
				body = bytes.ReplaceAll(body, []byte(digests.Of(text)), []byte(digests.Of(now)))
				if err := os.WriteFile(filepath.Join(dir, manifest), body, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	evidence := "evidence/" + strings.ReplaceAll(digests.Of([]byte("report")), ":", "-")
	for name, c := range map[string]struct {
		change func(*testing.T, string)
		want   string
	}{
		"an answer in the record":    {replace("record.json", `"merged_by":"bert"`, `"merged_by":"mira"`), "its evidence digest is"},
		"the manifest names another": {replace(manifest, `"revision": 1`, `"revision": 2`), "is not the record that manifest.json names"},
		"an event is taken out":      {func(t *testing.T, dir string) { t.Helper(); dropLine(t, dir, replace) }, "events.jsonl has 6 events; manifest.json says 7"},
		"a report":                   {replace(evidence, "report", "other"), "is not the file that it is named after"},
		"a file that was taken away": {func(t *testing.T, dir string) { t.Helper(); _ = os.Remove(filepath.Join(dir, "story.txt")) }, "story.txt"},
		"a file, the manifest is as it": {func(t *testing.T, dir string) {
			t.Helper()
			_ = os.WriteFile(filepath.Join(dir, "story.txt"), nil, 0o600)
		}, "story.txt was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := load(t, indexOf(t, history()...)).Save(t.Context(), dir, held(), noon); err != nil {
				t.Fatal(err)
			}
			c.change(t, dir)
			if _, err := replay.Check(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// dropLine removes the last event from the folder.
func dropLine(t *testing.T, dir string, replace func(file, old, by string) func(*testing.T, string)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSpace(string(text)), "\n")
	replace("events.jsonl", lines[len(lines)-1], "")(t, dir)
}

// TestThousandsOfEvents: all are saved and counted, and few are shown one by one.
func TestThousandsOfEvents(t *testing.T) {
	events := history()
	for i := range 5000 {
		events = append(events, record.Event{
			Source: "/agent", ID: fmt.Sprint("many", i), Time: noon.Add(-80 * time.Minute), Witness: record.Signed,
			Fact: &record.Action{Agent: record.Agent{ID: "claude", Run: "run-1"}, Tool: "Bash"},
		})
	}
	s := load(t, indexOf(t, events...))
	if len(s.Events) != 5007 || s.Actions != 5001 || len(s.Of(replay.Did)) > 250 {
		t.Errorf("%d events, %d actions, %d steps", len(s.Events), s.Actions, len(s.Of(replay.Did)))
	}
	dir := t.TempDir()
	m, err := s.Save(t.Context(), dir, held(), noon)
	if err != nil || m.Events != 5007 {
		t.Fatal(m, err)
	}
	if checked, err := replay.Check(os.DirFS(dir)); err != nil || len(checked.Absent) > 0 {
		t.Error(checked, err)
	}
}

// TestAFolderOfAFormerVersionIsChecked: its manifest did not count events.
func TestAFolderOfAFormerVersionIsChecked(t *testing.T) {
	dir := t.TempDir()
	if _, err := load(t, indexOf(t, history()...)).Save(t.Context(), dir, held(), noon); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, replay.ManifestName)
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(body, []byte(`"events": 7,`), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if checked, err := replay.Check(os.DirFS(dir)); err != nil || checked.Events != 7 || len(checked.Absent) > 0 {
		t.Errorf("%+v, %v", checked, err)
	}
}
