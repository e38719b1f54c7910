package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/audit/reconciletest"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/local"
)

// recordedWorld makes a history as a repository, and an embedded index with its events and records.
func recordedWorld(t *testing.T, o reconciletest.Options) (w *reconciletest.World, ids reconciletest.IDs, git, store string) {
	t.Helper()
	w = reconciletest.Make(o)
	git, ids = w.Import(t)
	store = t.TempDir()
	x, err := local.Open(t.Context(), store, true)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	var docs []sinks.Document
	for _, e := range w.Events(ids) {
		docs = append(docs, eventDocument(t, e))
	}
	records, _ := w.Records(ids)
	for _, r := range records {
		docs = append(docs, sinks.Document{Index: schemas.RecordIndex("default", r.Timestamp), ID: schemas.RecordID(r.Trail.Change.ID), Version: 1, Body: schemas.Seal(nil, r, 1, "")})
	}
	for some := range slices.Chunk(docs, 500) {
		out, err := x.Put(t.Context(), some)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range out {
			if o.Kind != sinks.Done {
				t.Fatalf("%s: %+v", some[i].Body, o)
			}
		}
	}
	return w, ids, git, store
}

// eventDocument returns the document of an event, as the enricher writes it.
func eventDocument(t *testing.T, e record.Event) sinks.Document {
	t.Helper()
	data, err := schemas.Encode(e.Fact)
	if err != nil {
		t.Fatal(err)
	}
	var d schemas.EventDocument
	d.Describe(&e, &schemas.Envelope{Type: e.Type}, data, e.Time, "default")
	if e.Change != "" {
		d.Trail.Change = &schemas.EventChange{ID: e.Change}
	}
	return sinks.Document{Index: schemas.EventIndex("default"), ID: schemas.DocumentID(e), Body: d.Append(nil)}
}

// reconciled runs audit reconcile with the output json.
func reconciled(t *testing.T, args ...string) (*reconcile.Report, int) {
	t.Helper()
	var out, errOut bytes.Buffer
	code := Run(t.Context(), append([]string{"audit", "reconcile", "-o", "json"}, args...), strings.NewReader(""), &out, &errOut, []string{"HOME=" + t.TempDir()})
	r := new(reconcile.Report)
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		t.Fatalf("%v: code %d: %s%s", err, code, out.Bytes(), errOut.Bytes())
	}
	return r, code
}

// TestReconcileWithTheIndex compares a repository with the records and events of an index, and with a
// file of records alone.
func TestReconcileWithTheIndex(t *testing.T) {
	w, ids, git, store := recordedWorld(t, reconciletest.Options{Seed: 5, Commits: 400, Dark: 0.08, Ghosts: 8, Foxtrots: true})
	rows := "time,environment,repository,commit\n"
	for _, d := range w.Deployments(ids) {
		rows += fmt.Sprintf("%s,%s,%s,%s\n", d.At.Format(time.RFC3339), d.Environment, d.Repository, d.Commit)
	}
	deployments := filepath.Join(t.TempDir(), "deployments.csv")
	if err := os.WriteFile(deployments, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--git", git, "--repository", string(w.Repository()), "--deployments", deployments, "--from", "2026-03-01", "--to", "2027-03-01", "--fetched", "2027-03-02"}
	r, code := reconciled(t, append(args, "--store", store)...)
	if diff := cmp.Diff(w.Expected(ids), slices.Compact(reconciletest.Found(r))); diff != "" || code != exitDiffers || !r.Complete() {
		t.Errorf("code %d, %v: %s", code, r.Unchecked, diff)
	}
	agents := 0
	for _, f := range r.Findings {
		if f.Agent != "" {
			agents++
		}
	}
	if agents == 0 || agents == len(r.Findings) {
		t.Errorf("%d of %d findings show an agent", agents, len(r.Findings))
	}
}

// TestReconcileWithAFile: without the events of pushes everything is still found, and what may belong
// to a recorded push says so.
func TestReconcileWithAFile(t *testing.T) {
	w, ids, git, _ := recordedWorld(t, reconciletest.Options{Seed: 6, Commits: 400, Dark: 0.08, Ghosts: 8})
	records, _ := w.Records(ids)
	var lines []byte
	for _, r := range records {
		lines = append(schemas.Seal(lines, r, 1, ""), '\n')
	}
	file := filepath.Join(t.TempDir(), "records.jsonl")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--git", git, "--repository", string(w.Repository()), "--records", file, "--from", "2026-03-01", "--to", "2027-03-01", "--fetched", "2027-03-02"}
	r, _ := reconciled(t, args...)
	want := slices.DeleteFunc(w.Expected(ids), reconciletest.Deployed)
	got := reconciletest.Found(r)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not found: %s", line)
		}
	}
	maybe := 0
	for _, f := range r.Findings {
		if f.MayBelongTo != "" {
			maybe++
		} else if f.Kind == reconcile.Dark {
			for _, sha := range f.Commits {
				if !slices.Contains(want, "dark "+sha) {
					t.Errorf("%s: %s", f.Reason, w.About(ids, sha))
				}
			}
		}
	}
	if maybe == 0 {
		t.Error("nothing may belong to a recorded push")
	}
}
