package otlp

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// read returns the content of files, one request each: parts of traces, and actions of logs.
func readAll(t *testing.T, files []string) (parts []*record.Spans, logs []Log) {
	t.Helper()
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var refused Refused
		if strings.Contains(file, "-logs.") {
			req := plogotlp.NewExportRequest()
			if err := unmarshal(file, body, req); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var more []Log
			more, refused = Logs(req.Logs(), now)
			logs = append(logs, more...)
		} else {
			req := ptraceotlp.NewExportRequest()
			if err := unmarshal(file, body, req); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var more []*record.Spans
			more, refused = Spans(req.Traces(), now)
			parts = append(parts, more...)
		}
		if refused.Count > 0 {
			t.Errorf("%s: %d refused: %v", file, refused.Count, refused.First)
		}
	}
	return parts, logs
}

func unmarshal(file string, body []byte, req interface {
	UnmarshalProto(data []byte) error
	UnmarshalJSON(data []byte) error
},
) error {
	if strings.HasSuffix(file, ".json") {
		return req.UnmarshalJSON(body)
	}
	return req.UnmarshalProto(body)
}

// golden formats actions as in a golden file.
func golden(t *testing.T, files []string) string {
	t.Helper()
	parts, logs := readAll(t, files)
	var b strings.Builder
	line := func(source, id string, a *record.Action) {
		fmt.Fprintf(&b, "%s %s\n    %s %s: %s", source, id, a.Agent.ID, a.Tool, a.Outcome)
		for _, f := range [][2]string{{"agent", a.Agent.Name}, {"model", a.Agent.Model}, {"provider", a.Agent.Provider}, {"run", a.Agent.Run}, {"call", a.CallID}, {"files", strings.Join(a.Files, " ")}, {"arguments", short(a.Arguments)}, {"result", short(a.Result)}} {
			if f[1] != "" {
				fmt.Fprintf(&b, "\n    %s: %s", f[0], f[1])
			}
		}
		b.WriteString("\n")
	}
	traces := make(map[string]map[string]record.Span)
	for _, p := range parts {
		if err := schemas.Check(p); err != nil {
			t.Error(err)
		}
		if traces[p.Trace] == nil {
			traces[p.Trace] = make(map[string]record.Span)
		}
		for _, s := range p.Spans {
			traces[p.Trace][s.ID] = s
		}
	}
	for _, trace := range slices.Sorted(maps.Keys(traces)) {
		spans := traces[trace]
		var calls []string
		for id, s := range spans {
			if s.Kind == record.SpanTool {
				calls = append(calls, id)
			}
		}
		performed, settled := record.Performed(trace, spans, calls, false)
		fmt.Fprintf(&b, "trace %s: %d spans, %d calls, %d settled\n", trace, len(spans), len(calls), len(settled))
		for _, p := range performed {
			line(p.Source, p.ID, &p.Action)
		}
	}
	if logs != nil {
		fmt.Fprintf(&b, "%d actions in logs\n", len(logs))
	}
	for _, l := range logs {
		if err := schemas.Check(l.Action); err != nil {
			t.Error(err)
		}
		line(l.Source, l.ID, l.Action)
	}
	return b.String()
}

func short(v []byte) string {
	if len(v) > 160 {
		return string(v[:160]) + "…"
	}
	return string(v)
}

// TestRealExports reads exports of real agents, and compares the actions in them.
func TestRealExports(t *testing.T) {
	cases := map[string][]string{}
	for _, dir := range []string{"claude-code-allowed", "claude-code-denied", "codex-allowed", "codex-denied"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*-*"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		cases[dir] = files
	}
	single, err := filepath.Glob(filepath.Join("testdata", "*-001-traces.*"))
	if err != nil || len(single) == 0 {
		t.Fatal(err)
	}
	for _, file := range single {
		name, _, _ := strings.Cut(filepath.Base(file), "-001-traces.")
		cases[name] = []string{file}
	}
	for name, files := range cases {
		t.Run(name, func(t *testing.T) {
			got := golden(t, files)
			golden := filepath.Join("testdata", "golden", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
