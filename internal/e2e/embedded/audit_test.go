//go:build servers

package embedded

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/changetrail/changetrail/audit/sample"
)

// scope is the population of the tests: the changes of the demo that reached production.
func scope() []string {
	return []string{"--environment", "production", "--to", time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)}
}

// sampled are the flags of the auditor's sample: 25 changes, twelve of them by agents, and the change
// of the story among these. The auditor of this test looks for a seed that draws it.
func sampled(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"audit", "population", "--without-topics", "-o", "csv"}, scope()...)...)
	cmd.Dir = folder
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	agents, story := 0, 0
	for _, row := range rows[1:] {
		if row[slices.Index(rows[0], "initiated_by")] != "agent" {
			continue
		}
		if agents++; row[1] == "github.com/acme/payments/pull/4829" {
			story = agents
		}
	}
	if story == 0 {
		t.Fatal("the change of the story did not reach production")
	}
	for seed := int64(1); ; seed++ {
		source, err := sample.NewSource(seed)
		if err != nil {
			t.Fatal(err)
		}
		drawn, err := source.Draw(12, agents)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(drawn, story) {
			return append(scope(), "-n", "25", "--seed", fmt.Sprint(seed), "--by", "initiator", "--take", "agent=12")
		}
	}
}

// unpacked makes the evidence pack of the demo and unpacks it.
func unpacked(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	flags := sampled(t)
	first, second := filepath.Join(dir, "first.zip"), filepath.Join(dir, "second.zip")
	for _, name := range []string{first, second} {
		command(t, folder, nil, binary, append([]string{"audit", "pack", "--out", name}, flags...)...)
	}
	one, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := os.ReadFile(second); err != nil || !bytes.Equal(one, other) {
		t.Errorf("the same pack twice has %d and %d bytes, which differ: %v", len(one), len(other), err)
	}
	if out, err := exec.Command(binary, append([]string{"audit", "pack", "--data", filepath.Join(folder, "changetrail-demo"), "--out", first}, flags...)...).CombinedOutput(); err == nil || !strings.Contains(string(out), "exists") {
		t.Errorf("a pack is overwritten: %v %s", err, out)
	}
	z, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "pack")
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(to, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestAnEvidencePackIsWholeAndSaysWhatWasChanged checks the pack with the tools that auditors have.
func TestAnEvidencePackIsWholeAndSaysWhatWasChanged(t *testing.T) {
	dir := unpacked(t)
	text, err := os.ReadFile(filepath.Join(dir, "sample.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 26 {
		t.Fatal(len(rows), err)
	}
	agents, story := 0, ""
	for n, row := range rows[1:] {
		if row[slices.Index(rows[0], "initiated_by")] == "agent" {
			agents++
		}
		if row[1] == "github.com/acme/payments/pull/4829" {
			story = fmt.Sprintf("changes/%03d/story.txt", n+1)
		}
	}
	if agents != 12 {
		t.Errorf("%d of the sample are by agents", agents)
	}
	// What the auditor asks of PR 4829: what triggered the agent, what it rejected, who reviewed.
	told, err := os.ReadFile(filepath.Join(dir, story))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"agent-bot-3000", "03:47", "Replace the library", "Accept the risk", "approved"} {
		if !strings.Contains(string(told), want) {
			t.Errorf("the story of PR 4829 does not say %q:\n%s", want, told)
		}
	}
	sums := func() (string, error) {
		cmd := exec.Command("sha256sum", "-c", "--quiet", "SHA256SUMS")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := sums(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for n := 1; n <= 25; n++ {
		out := command(t, dir, nil, binary, "replay", "--check", fmt.Sprintf("changes/%03d", n))
		if !strings.Contains(out, "Complete: every event and every file") {
			t.Error(out)
		}
	}
	listed, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(listed)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		at := filepath.Join(dir, name)
		was, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, append(slices.Clone(was), ' '), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := sums(); err == nil || !strings.Contains(out, name) {
			t.Fatalf("a change of %s is not found: %s", name, out)
		}
		if err := os.WriteFile(at, was, 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "changes/002/record.json") {
			break // each check reads all files
		}
	}
}

// TestAnAuditorReadsThePackOffline opens the page from the file system. It asks no network. From a row
// of the sample to the scanner's own report in two clicks, and from a control to its samples in one.
func TestAnAuditorReadsThePackOffline(t *testing.T) {
	dir, source, ctx := unpacked(t), axe(t), browser(t)
	chromedp.ListenTarget(ctx, func(e any) {
		if sent, ok := e.(*network.EventRequestWillBeSent); ok && !strings.HasPrefix(sent.Request.URL, "file://") {
			t.Errorf("the page asks for %s", sent.Request.URL)
		}
	})
	var text, address string
	// Searches of chromedp do not end on pages of the file system; scripts do.
	read := func() chromedp.Action { return chromedp.Evaluate(`document.body.innerText`, &text) }
	click := func(path string) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf(`document.evaluate(%q, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue.click()`, path), nil)
	}
	open := chromedp.Navigate("file://" + filepath.Join(dir, "index.html"))
	do(ctx, t, "the pack", network.Enable(), open, read())
	for _, want := range []string{"What was asked", "Of what population", "What was found", "What cannot be said", "The sample is 25 of them", "Examined by"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	picture(ctx, t, "evidence-pack")
	accessible(ctx, t, source, "evidence pack")
	do(ctx, t, "a row", open, click(`//table[.//th[text()="made by"]]//tr[contains(.,"agent")][1]//a`), chromedp.Location(&address))
	if !strings.HasSuffix(address, "#change-1") {
		t.Errorf("the row leads to %s", address)
	}
	do(ctx, t, "the report", click(`//article[@id="change-1"]//a[contains(.,"saw:")]`), chromedp.Sleep(time.Second), chromedp.Location(&address), read())
	if !strings.Contains(address, "/changes/001/evidence/sha256-") || len(text) < 200 {
		t.Errorf("%s shows %.200q", address, text)
	}
	do(ctx, t, "a control", open, click(`//table[.//th[text()="samples"]]//tbody/tr[1]//a`), chromedp.Location(&address))
	if !strings.Contains(address, "#change-") {
		t.Errorf("the control leads to %s", address)
	}
	do(ctx, t, "on paper", emulation.SetEmulatedMedia().WithMedia("print"), open)
	picture(ctx, t, "evidence-pack-print")
	do(ctx, t, "on a telephone", emulation.SetEmulatedMedia().WithMedia("screen"), chromedp.EmulateViewport(390, 844), open)
	picture(ctx, t, "evidence-pack-narrow")
	accessible(ctx, t, source, "evidence pack on a telephone")
}
