package cli

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/stream"
)

// startWith starts an enricher with each policy in turn, and a broker whose data is in
// dir.
func startWith(t *testing.T, dir string, policies ...string) {
	t.Helper()
	b, err := embedded.Start(filepath.Join(dir, "broker"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	kafka, topics := standalone.Broker(dir), stream.Topics{Prefix: "changetrail"}
	admin, err := stream.NewAdmin(kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Ensure(t.Context(), topics.Specs(2, time.Hour), 1, false); err != nil {
		t.Fatal(err)
	}
	for n, text := range policies {
		p, err := policy.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = enricher.Run(ctx, enricher.Config{
				Kafka: kafka, Topics: topics, Namespace: "default", StateDir: t.TempDir(), Policy: p, Controls: new(controls.Matrix),
				Log: slog.New(slog.DiscardHandler),
			})
		})
		for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			rules, _, err := enricher.ReadRules(ctx, kafka, topics)
			if err != nil {
				t.Fatal(err)
			}
			if len(rules.Policies.Versions()) > n {
				break
			}
			if time.Now().After(until) {
				t.Fatal("the enricher does not record its policy")
			}
		}
		cancel()
		wg.Wait()
	}
}

func TestPoliciesThatWereInForceAreListedAndAsked(t *testing.T) {
	dir := t.TempDir()
	const services = "services: [{name: payments, repositories: [github.com/acme/payments], classification: critical}]\n"
	startWith(t, dir, services+"default: autonomous\n", services+"default: forbidden\n")
	records := filepath.Join(dir, "records.jsonl")
	if err := os.WriteFile(records, []byte(`{"@timestamp":"2026-11-12T03:47:00Z","changetrail":{"change":{"id":"github.com/acme/payments/pull/1","repository":"github.com/acme/payments","initiated_by":"agent","files":["a"]},"authorization":{"verdict":"forbidden","rule":"default"}},"gen_ai":{"agent":{"id":"agent-bot-3000"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) (string, error) {
		root := newRoot(nil)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(args)
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := command("policy", "history", "--data", dir, "-o", "json")
	if err != nil {
		t.Fatal(err, out)
	}
	var held []storedVersion
	if err := json.Unmarshal([]byte(out), &held); err != nil {
		t.Fatal(err)
	}
	if len(held) != 2 || held[0].Since.IsZero() || !held[1].Since.IsZero() || held[0].Holds != "services 1, agents 0, rules 0" {
		t.Fatalf("%+v", held)
	}
	if out, err := command("policy", "history", "--data", dir, "--show", held[1].Digest[:16]); err != nil || !strings.Contains(out, "default: autonomous") {
		t.Errorf("%s %v", out, err)
	}
	for at, want := range map[string]string{
		"2026-11-01":      "forbidden by default  → autonomous by default",
		held[1].Digest:    "1 of 1 changes of agents are decided differently",
		held[0].Digest:    "0 of 1 changes of agents are decided differently",
		"yesterday":       "write a time",
		"sha256:00000000": "no policy has the digest",
	} {
		out, err := command("policy", "diff", "--data", dir, "--records", records, "--at", at)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("--at %s: %s", at, out)
		}
	}
	// What was in force at the merge counts: the first policy, which let agents act alone.
	merged := filepath.Join(dir, "merged.jsonl")
	if err := os.WriteFile(merged, []byte(`{"@timestamp":"2026-11-12T03:47:00Z","changetrail":{"change":{"id":"github.com/acme/payments/pull/1","repository":"github.com/acme/payments","state":"merged","merged_at":"2026-11-12T03:47:00Z","kind":"code","initiated_by":"agent","files":["a"]}},"gen_ai":{"agent":{"id":"agent-bot-3000"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = command("policy", "what-if", "--data", dir, "--records", merged, "--threshold", "high", "--from", "2026-11-01", "--to", "2026-11-20", "-o", "csv")
	if want := ",asked,,autonomous,default,nobody is asked,review-required,threshold,a review by any independent person,1,"; err != nil || !strings.Contains(out, want) {
		t.Errorf("%s %v, want %s", out, err, want)
	}
}
