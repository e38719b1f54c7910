package pack

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

const tested = record.ChangeID("github.com/acme/payments/pull/1")

var noon = time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// An index knows one change.
type index struct {
	record jsontext.Value
	events []jsontext.Value
}

func (x *index) Record(_ context.Context, id string) (jsontext.Value, error) {
	if id != schemas.RecordID(tested) {
		return nil, nil
	}
	return x.record, nil
}

func (x *index) Named(context.Context, record.ChangeID) ([]jsontext.Value, error) { return nil, nil }

func (x *index) Events(_ context.Context, _ schemas.EventQuery, f func(string, jsontext.Value) error) error {
	for i, doc := range x.events {
		if err := f(fmt.Sprint(i), doc); err != nil {
			return err
		}
	}
	return nil
}

// files has one report.
type files map[string]string

func (f files) Get(_ context.Context, digest string) ([]byte, error) {
	if text, ok := f[digest]; ok {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

func (f files) Close() error { return nil }

// indexOf returns an index with a change of an agent, whose texts are hostile.
func indexOf(t *testing.T) *index {
	t.Helper()
	agent := record.Agent{ID: "bot" + hostile}
	report := record.Report{Digest: digests.Of([]byte("report")), Format: "sarif"}
	sha := strings.Repeat("a", 40)
	events := []record.Event{
		{Source: "/scanner", Change: tested, Time: noon.Add(-3 * time.Hour), Witness: record.Observed, Fact: &record.Scan{Tool: record.Tool{Name: "grype"}, Report: report}},
		{Source: "/agent", Change: tested, Time: noon.Add(-2 * time.Hour), Witness: record.Signed, Fact: &record.Decision{Agent: agent, Trigger: &record.Trigger{Kind: "scan", Digest: report.Digest}, Options: []record.Option{{ID: "a", Title: hostile, Outcome: "chosen", Reason: hostile}}}},
		{Source: "/host", Change: tested, Time: noon.Add(-time.Hour), Witness: record.Observed, Fact: &record.Opened{Revision: record.Revision{Title: hostile, URL: "javascript:alert(3)", HeadSHA: sha, Author: hostile}}},
		{Source: "/host", Change: tested, Time: noon, Witness: record.Observed, Fact: &record.Merged{MergeSHA: strings.Repeat("b", 40), MergedBy: "bert"}},
	}
	x := new(index)
	for i, e := range events {
		e.ID, e.Arrived, e.Repository, e.Type = fmt.Sprint(i), e.Time, tested.Repository(), record.TypeOf(e.Fact)
		if err := schemas.Fingerprint(&e, e.Time); err != nil {
			t.Fatal(err)
		}
		events[i] = e
		d := new(schemas.EventDocument)
		d.Describe(&e, &schemas.Envelope{Type: e.Type}, e.Stored, e.Arrived, "default")
		d.Trail.Change = &schemas.EventChange{ID: e.Change}
		x.events = append(x.events, d.Append(nil))
	}
	r := record.Fold(tested, record.Gather(tested, events))
	r.Judge(record.Authority{})
	x.record = schemas.Seal(nil, r, 1, "")
	return x
}

// packOf returns a pack of the only change of an index.
func packOf(t *testing.T, x *index) *Pack {
	t.Helper()
	var r record.Record
	if err := json.Unmarshal(x.record, &r); err != nil {
		t.Fatal(err)
	}
	c := audit.NewCollector(audit.Question{From: noon.AddDate(0, 0, -1), To: noon.AddDate(0, 0, 1)}, "a store", time.Now())
	c.Add(&r)
	p, err := c.Population(1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Draw(audit.Plan{Size: 1, Seed: 4829, Confidence: 0.95})
	if err != nil {
		t.Fatal(err)
	}
	return &Pack{Population: p, Sample: s, Rules: []Rule{{"policy", "sha256:01", []byte("services: []\n")}}}
}

// written returns the files of a pack, and what it lacks.
func written(t *testing.T, p *Pack, x *index, f blobs.Getter) (map[string]string, []string) {
	t.Helper()
	var out, again bytes.Buffer
	lacks, err := p.Write(t.Context(), Source{x, f}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(t.Context(), Source{x, f}, &again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("the same pack twice differs: %v", err)
	}
	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	content := make(map[string]string)
	for _, file := range z.File {
		in, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		content[file.Name] = string(text)
	}
	return content, lacks
}

// TestAPackHasEverything: each file is in the sums, and the page leads to each piece of evidence.
func TestAPackHasEverything(t *testing.T) {
	x := indexOf(t)
	content, lacks := written(t, packOf(t, x), x, files{digests.Of([]byte("report")): "report"})
	if len(lacks) != 0 {
		t.Errorf("it lacks %q", lacks)
	}
	var listed []string
	for line := range strings.Lines(content["SHA256SUMS"]) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed = append(listed, name)
		if got := sha256.Sum256([]byte(content[name])); hex.EncodeToString(got[:]) != sum {
			t.Errorf("the sum of %s is wrong", name)
		}
	}
	for name := range content {
		if name != "SHA256SUMS" && !slices.Contains(listed, name) {
			t.Errorf("%s has no sum", name)
		}
	}
	report := "changes/001/evidence/" + strings.ReplaceAll(digests.Of([]byte("report")), ":", "-")
	if content[report] != "report" || content["rules/policy-sha256-01.yaml"] != "services: []\n" {
		t.Errorf("%q", slices.Sorted(maps.Keys(content)))
	}
	for _, m := range regexp.MustCompile(`href="([^"#][^"]*)"`).FindAllStringSubmatch(content["index.html"], -1) {
		if content[m[1]] == "" {
			t.Errorf("the page leads to %s, which is not in the pack", m[1])
		}
	}
}

// TestThePageIsHarmless: what agents and strangers wrote is text, and no address of theirs is a link.
func TestThePageIsHarmless(t *testing.T) {
	x := indexOf(t)
	content, _ := written(t, packOf(t, x), x, files{})
	page := content["index.html"]
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the page does not show the texts")
	}
	for _, not := range []string{"<script", "<img", "javascript:"} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %s", not)
		}
	}
	if strings.Contains(content["sample.csv"], "\n=") {
		t.Error("the table has a formula")
	}
}

// TestWhatAPackLacksIsSaid on its cover page and to the caller.
func TestWhatAPackLacksIsSaid(t *testing.T) {
	x := indexOf(t)
	p := packOf(t, x)
	p.Absent = []string{"the policy sha256:02"}
	content, lacks := written(t, p, x, nil)
	if len(lacks) != 2 || !strings.Contains(lacks[1], digests.Of([]byte("report"))) {
		t.Errorf("%q", lacks)
	}
	cover, _, _ := strings.Cut(content["index.html"], `id="sample"`)
	for _, lack := range []string{"the policy sha256:02", digests.Of([]byte("report"))} {
		if !strings.Contains(cover, lack) || !strings.Contains(content["audit.json"], lack) {
			t.Errorf("%s is not said", lack)
		}
	}
}

// TestARecordThatMovedIsNotPacked: the pack would show other answers than the sample.
func TestARecordThatMovedIsNotPacked(t *testing.T) {
	x := indexOf(t)
	p := packOf(t, x)
	p.Sample.Items[0].Digest = "sha256:before"
	if _, err := p.Write(t.Context(), Source{Index: x}, io.Discard); err == nil || !strings.Contains(err.Error(), "make the pack again") {
		t.Error(err)
	}
}
