//go:build bench

package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate/approvals"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/stream"
)

const guardPolicy = `
mode: gate-everything
services: [{name: shop, repositories: [github.com/acme/shop], classification: low}]
agents: [{id: claude-code, services: ["*"]}]
`

// TestHookThatAsksTheGate measures how long an agent that may go on waits for the hook that asks the
// gate: from the start of the program to its end, beside the hook that only notes. The mode is
// gate-everything, a person has approved, and the gateway reads a real Kafka.
func TestHookThatAsksTheGate(t *testing.T) {
	const runs = 500
	top, dir, settings := topics(t, "guard"), t.TempDir(), t.TempDir() // dir is the work tree
	write := func(name, text string) string {
		file := filepath.Join(settings, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	policyFile := write("policy.yaml", guardPolicy)
	adm := admin(t)
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) { // new topics are not known everywhere at once
		details, err := adm.ListTopics(t.Context(), top.Events(), top.State(), top.Policies(), top.Approvals())
		if err == nil {
			err = details.Error()
		}
		if err == nil {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal(err)
		}
	}
	grant(t, top)
	e := exec.Command(binary, "enrich", "--brokers", broker.Address, "--prefix", top.Prefix, "--state-dir", filepath.Join(settings, "state"), "--policy", policyFile, "--log-level", "error")
	e.Env = append(e.Environ(), signingKey)
	start(t, e)
	address := freeAddress(t)
	g := exec.Command(binary, "gateway", "--brokers", broker.Address, "--prefix", top.Prefix, "--listen", address, "--gate-dir", filepath.Join(settings, "gate"), "--log-level", "error")
	g.Env = append(g.Environ(), signingKey)
	gating := start(t, g)
	config := write("changetrail.yaml", "producer: {gateway: 'http://"+address+"'}\nhook: {delegated_by: mira}\n")
	for _, args := range [][]string{{"init", "-q", dir}, {"-C", dir, "remote", "add", "origin", "https://github.com/acme/shop.git"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	call := func(tool string) string {
		return fmt.Sprintf(`{"session_id":"s-1","hook_event_name":"PreToolUse","cwd":%q,"tool_name":%q,"tool_use_id":"t1","tool_input":{"file_path":"a.go","content":%q}}`, dir, tool, strings.Repeat("package a\n", 400))
	}
	notes, asks := built(t, t.TempDir(), "github.com/changetrail/changetrail/cmd/changetrail-hook"), built(t, t.TempDir(), "github.com/changetrail/changetrail/cmd/changetrail-hook-gate")
	commands := []struct {
		name, input string
		args        []string
		took        []time.Duration
	}{
		{"it notes a write", call("Write"), []string{notes, "claude-code"}, nil},
		{"it lets a tool read", call("Read"), []string{asks, "claude-code", "--config", config}, nil},
		{"it asks about a write", call("Write"), []string{asks, "claude-code", "--config", config}, nil},
		{"large program, asks", call("Write"), []string{binary, "hook", "gate", "claude-code", "--config", config}, nil},
	}
	run := func(i int) (took time.Duration, out string) {
		c := commands[i]
		cmd := exec.Command(c.args[0], c.args[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), "XDG_STATE_HOME="+settings), strings.NewReader(c.input)
		began := time.Now()
		text, err := cmd.CombinedOutput()
		took = time.Since(began)
		if err != nil {
			t.Fatalf("%s: %v: %s", c.name, err, text)
		}
		return took, string(text)
	}
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) { // until the policy and the approval are there
		_, out := run(2)
		if out == "" {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%s\n%s", out, gating.log.String())
		}
	}
	for range runs {
		for i := range commands {
			took, out := run(i)
			if out != "" {
				t.Fatalf("%s: %s", commands[i].name, out)
			}
			commands[i].took = append(commands[i].took, took)
		}
	}
	fmt.Printf("\nhook that asks the gate: %d calls of each program, of an agent that may go on (goal: p99 under 60 ms)\n", runs)
	for _, c := range commands {
		slices.Sort(c.took)
		fmt.Printf("  %-22s p50 %s, p99 %s, %.1f of the hook that notes\n", c.name, quantile(c.took, 50).Round(100*time.Microsecond), quantile(c.took, 99).Round(100*time.Microsecond), float64(quantile(c.took, 50))/float64(quantile(commands[0].took, 50)))
	}
}

// grant lets a person approve everything that the agent does in the repository.
func grant(t *testing.T, top stream.Topics) {
	t.Helper()
	_, key, _ := strings.Cut(signingKey, "=")
	book, err := approvals.Open(stream.Config{Brokers: []string{broker.Address}}, top, signing.Of([]byte(key)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	g := approvals.Grant{ID: "g1", Person: "lea", Agent: "claude-code", Repository: "github.com/acme/shop", Scope: []string{"shop"}, Until: time.Now().Add(time.Hour), Reason: "the measurement"}
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) { // a new topic is not known everywhere at once
		_, err := book.Grant(t.Context(), g)
		if err == nil {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal(err)
		}
	}
}
