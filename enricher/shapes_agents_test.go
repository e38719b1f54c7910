package enricher

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/evidence"
	"github.com/changetrail/changetrail/record"
)

// Shapes of events of scanners and agents.

const namedCVE = "CVE-2021-23337"

// scan returns the report of osv-scanner of the night-th night: some findings of the night before
// are fixed, and as many are new. Packed it is compressed, otherwise it is inline JSON.
func (l *load) scan(night, findings int, packed bool, details int) {
	type object = map[string]any
	var packages []object
	for i := range findings {
		n := i
		if i > 0 && night > 0 && i%25 == night%25 {
			n = 10_000 + night*100 + i
		}
		id, cve := fmt.Sprintf("GHSA-%04x-%04x-%04x", n, n*7&0xffff, n*13&0xffff), fmt.Sprintf("CVE-2025-%05d", n)
		if i == 0 {
			cve = namedCVE
		}
		words := &load{rnd: rand.New(rand.NewPCG(uint64(n), 5))} // a weakness is described in the same words each night
		packages = append(packages, object{
			"package":         object{"name": fmt.Sprintf("module-%d", n), "version": "4.17.20", "ecosystem": "npm"},
			"vulnerabilities": []object{{"id": id, "aliases": []string{cve}, "summary": words.prose(8), "details": words.prose(details), "database_specific": object{"severity": "HIGH"}}},
			"groups":          []object{{"ids": []string{id}, "aliases": []string{cve, id}, "max_severity": "7.2"}},
		})
	}
	file, err := json.Marshal(object{"results": []object{{"source": object{"path": "/build/package-lock.json", "type": "lockfile"}, "packages": packages}}}, json.Deterministic(true))
	if err != nil {
		l.t.Fatal(err)
	}
	scan := &record.Scan{Tool: record.Tool{Name: "osv-scanner", Version: "2.5.0"}, ScanID: fmt.Sprint("nightly-", night), CommitSHA: l.sha(night), Repository: loadRepo}
	scan.Report = record.Report{Format: "osv-scanner", Encoding: "json", Content: file}
	if packed {
		if scan.Report, err = evidence.Pack(file, "osv-scanner"); err != nil {
			l.t.Fatal(err)
		}
	}
	l.add("", scan)
}

func (l *load) nightlyScans(n int) {
	for night := range n {
		l.scan(night, 50, true, 120)
		l.at = l.at.Add(24 * time.Hour)
	}
}

func (l *load) hugeScan(n int) { l.scan(0, n, false, 6) }

func (l *load) namedFinding(n int) {
	for i := range n {
		id := record.ChangeID(fmt.Sprintf("%s/pull/%d", loadRepo, i+1))
		l.open(id, i)
		l.decide(id, fmt.Sprint("run-", i), &record.Trigger{Kind: "scan", Finding: namedCVE, Severity: "high", Package: "lodash"})
	}
	for night := range 30 {
		l.scan(night, 50, true, 120)
		l.at = l.at.Add(24 * time.Hour)
	}
}

func (l *load) decisions(n int) {
	l.open(loadChange, 0)
	l.decide(loadChange, "run-1", nil)
	for range n - 1 {
		l.decide("", "run-1", &record.Trigger{Kind: "request", Summary: l.prose(10)})
	}
}

func (l *load) action(run string, i int) *record.Action {
	return &record.Action{
		Agent: l.agent(run), Tool: []string{"Read", "Edit", "Bash", "Grep"}[i%4], CallID: fmt.Sprintf("toolu_%s_%08d", run, i), Outcome: "success",
		Arguments: record.RawJSON(fmt.Sprintf(`{"file_path":"internal/ledger/file_%d.go","description":%q}`, i%50, l.prose(12))), Result: record.RawJSON(fmt.Sprintf(`{"summary":%q}`, l.prose(40))),
		Files: []string{fmt.Sprintf("internal/ledger/file_%d.go", i%50)}, DurationMS: int64(l.rnd.IntN(9000)),
	}
}

func (l *load) actionsOfAChange(n int) {
	l.open(loadChange, 0)
	l.decide(loadChange, "run-1", nil)
	for i := range n {
		l.add(loadChange, l.action("run-1", i))
	}
}

// actionsOfARun returns actions that name only the run; a decision between them names the
// repository.
func (l *load) actionsOfARun(n int) {
	l.open(loadChange, 0)
	for i := range n {
		if i == n/2 {
			l.decide(loadChange, "run-1", nil)
		}
		l.addTo(record.RunKey("run-1"), "", l.action("run-1", i))
	}
}

// spans returns the spans of a trace as an exporter sends them, 50 at a time. The span of their
// agent comes last.
func (l *load) spans(n int) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	l.open(loadChange, 0)
	l.decide(loadChange, "run-1", nil)
	var spans []record.Span
	flush := func() {
		l.addTo(record.RunKey(trace), "", &record.Spans{Trace: trace, Spans: spans})
		spans = nil
	}
	for i := range n {
		a := l.action("run-1", i)
		spans = append(spans, record.Span{
			ID: fmt.Sprintf("%016x", i+1), Parent: fmt.Sprintf("%016x", 1<<20), Kind: record.SpanTool, StartedAt: l.at, EndedAt: l.at.Add(time.Second), AgentName: "coder", Provider: "anthropic",
			Model: "claude-sonnet-4-5", Tool: a.Tool, CallID: a.CallID, Arguments: a.Arguments, Result: a.Result, Files: a.Files, Outcome: "success",
		})
		if len(spans) == 50 {
			flush()
		}
	}
	spans = append(spans, record.Span{ID: fmt.Sprintf("%016x", 1<<20), Kind: record.SpanAgent, AgentName: "coder", Run: "run-1", StartedAt: l.at, EndedAt: l.at})
	flush()
}
