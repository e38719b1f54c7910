package enricher

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/controls"
	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// policyOf returns a policy of one service. Its default verdict distinguishes it.
func policyOf(t *testing.T, verdict, since string) *policy.Policy {
	t.Helper()
	text := "services: [{name: pay, repositories: [github.com/acme/*], classification: low}]\nagents: [{id: bot, services: ['*']}]\ndefault: " + verdict + "\n"
	if since != "" {
		text += "since: " + since + "\n"
	}
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func matrixOf(t *testing.T, tag string) *controls.Matrix {
	t.Helper()
	m, err := controls.Parse(fmt.Appendf(nil, "controls: [{tag: %s}]", tag))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// onBroker returns a configuration for a new broker with all topics.
func onBroker(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	b, err := embedded.Start(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c := Config{
		Kafka: stream.Config{Brokers: []string{embedded.Seed}, Dial: embedded.Dial(dir)}, Topics: stream.Topics{Prefix: "t"}, Log: slog.New(slog.DiscardHandler),
		Policy: new(policy.Policy), Controls: new(controls.Matrix),
	}
	admin, err := stream.NewAdmin(c.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Ensure(t.Context(), c.Topics.Specs(2, time.Hour), 1, false); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c Config) started(t *testing.T) Rules {
	t.Helper()
	rules, _, err := c.recordRules(t.Context(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestAnEnricherRecordsThePolicyThatItStartsWith(t *testing.T) {
	c := onBroker(t)
	if rules := c.started(t); len(rules.Policies.Versions())+len(rules.Controls.Versions()) != 0 {
		t.Errorf("without a policy one is recorded: %+v", rules)
	}
	mild, strict := policyOf(t, "autonomous", ""), policyOf(t, "forbidden", "")
	var digests []string
	for _, p := range []*policy.Policy{mild, mild, strict, new(policy.Policy), mild} {
		c.Policy = p
		rules := c.started(t)
		digests = digests[:0]
		for _, v := range rules.Policies.Versions() {
			if v.Err != nil || v.Content.Digest() != v.Digest || time.Since(v.Arrived) > time.Hour {
				t.Errorf("%+v", v)
			}
			digests = append(digests, v.Digest)
		}
	}
	if diff := cmp.Diff([]string{mild.Digest(), strict.Digest(), mild.Digest()}, digests); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	c.Controls = matrixOf(t, "soc2-cc8.1")
	if rules := c.started(t); len(rules.Controls.Versions()) != 1 || len(rules.Policies.Versions()) != 3 {
		t.Errorf("the matrix: %+v", rules)
	}
}

func TestEnrichersThatStartAtOnceRecordAPolicyOnce(t *testing.T) {
	c := onBroker(t)
	c.Policy = policyOf(t, "autonomous", "")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if rules, _, err := c.recordRules(t.Context(), time.Now); err != nil || len(rules.Policies.Versions()) != 1 {
				t.Errorf("%d versions, %v", len(rules.Policies.Versions()), err)
			}
		})
	}
	wg.Wait()
}

func TestAnEnricherFollowsThePoliciesOfOthers(t *testing.T) {
	c := onBroker(t)
	c.Policy = policyOf(t, "autonomous", "")
	rules, next, err := c.recordRules(t.Context(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	e := &Enricher{conf: c}
	e.rules.Store(&rules)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { e.followRules(ctx, next) })
	defer wg.Wait()
	defer cancel()
	other := c
	other.Policy = policyOf(t, "forbidden", "")
	other.started(t)
	for until := time.Now().Add(20 * time.Second); e.rules.Load().Policies.Newest() != other.Policy.Digest(); {
		if time.Now().After(until) {
			t.Fatal("the policy of another enricher is not taken over")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A merged change is judged by the policy at its merge, whatever is recorded later; an open one
// by the newest.
func TestThePolicyAtTheMergeDecides(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }
	var rules Rules
	for _, v := range []struct {
		arrived int
		policy  *policy.Policy
		tag     string
	}{
		{10, policyOf(t, "autonomous", "2026-11-05T12:00:00Z"), "soc2-cc8.1"},
		{20, policyOf(t, "forbidden", ""), "pci-dss-6.3.2"},
		{25, policyOf(t, "review-required", ""), "iso-27001-8.32"},
	} {
		rules.Policies, _ = rules.Policies.Add(policy.Version[*policy.Policy]{Digest: v.policy.Digest(), Arrived: day(v.arrived), Content: v.policy}, v.policy.Since)
		m := matrixOf(t, v.tag)
		rules.Controls, _ = rules.Controls.Add(policy.Version[*controls.Matrix]{Digest: v.tag, Arrived: day(v.arrived), Content: m}, time.Time{})
	}
	for _, c := range []struct {
		merged       int // 0: open
		verdict, tag string
	}{
		{3, "autonomous", "soc2-cc8.1"},
		{7, "autonomous", "soc2-cc8.1"},
		{19, "autonomous", "soc2-cc8.1"},
		{20, "forbidden", "pci-dss-6.3.2"},
		{24, "forbidden", "pci-dss-6.3.2"},
		{26, "review-required", "iso-27001-8.32"},
		{0, "review-required", "iso-27001-8.32"},
	} {
		id := record.ChangeID("github.com/acme/pay/pull/7")
		event := func(n int, at time.Time, f record.Fact) record.Event {
			return record.Event{Source: "https://github.com/acme/pay", ID: fmt.Sprint(n), Repository: "github.com/acme/pay", Change: id, Time: at, Arrived: at, Sender: "platform:github", Witness: record.Observed, Fact: f}
		}
		revision := record.Revision{Author: "bot", AuthorType: "agent", Agent: "bot", HeadSHA: "d89c4e111136bd9390be005279f55e62715afb9a", Files: []string{"a.go"}}
		events := []record.Event{event(1, day(2), &record.Opened{Revision: revision})}
		if c.merged != 0 {
			events = append(events, event(2, day(c.merged), &record.Merged{MergeSHA: "f7f4df93f944f483efb0d9834177709b4fccbd23", Revision: revision}))
		}
		r := FoldBy(id, events, rules)
		if got := r.Trail.Authorization.Verdict; got != c.verdict {
			t.Errorf("merged on day %d: %s, want %s", c.merged, got, c.verdict)
		}
		if cmp.Diff([]string{c.tag}, r.Tags) != "" {
			t.Errorf("merged on day %d: controls %v, want %s", c.merged, r.Tags, c.tag)
		}
		by := rules.of(r, day(28))
		if want := c.merged == 3; by.notOfTheTime != want {
			t.Errorf("merged on day %d: the policy is of another time: %v", c.merged, by.notOfTheTime)
		}
	}
	if by := (Rules{}).at(day(1)); by.policy.HasRules() || by.notOfTheTime {
		t.Errorf("no policy is held: %+v", by)
	}
}

// A message of the topic of policies that nobody can read, or that only a later release can read,
// stops no enricher and changes nothing.
func TestABadVersionChangesNothing(t *testing.T) {
	c := onBroker(t)
	good := policyOf(t, "forbidden", "")
	c.Policy = good
	c.started(t)
	w, err := stream.NewWriter(c.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i, value := range []string{
		"no JSON", `{"kind":"menu","digest":"sha256:1"}`, `{"kind":"policy","digest":"sha256:2","files":[{"name":"p.yaml","content":"e30="}]}`[:40],
		`{"kind":"policy","digest":"sha256:3","files":[{"name":"p.yaml","content":"` + base64.StdEncoding.EncodeToString([]byte("rules: [{name: r, when: 'nobody.knows()', verdict: autonomous, reason: x}]")) + `"}]}`,
		`{"kind":"matrix","digest":"sha256:4","files":[]}`,
	} {
		if err := w.Append(t.Context(), &stream.Record{Topic: c.Topics.Policies(), Key: fmt.Append(nil, i), Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	rules, next, err := ReadRules(t.Context(), c.Kafka, c.Topics)
	if err != nil {
		t.Fatal(err)
	}
	if v, held := rules.Policies.At(time.Now()); v.Digest != good.Digest() || held {
		t.Errorf("in force is %s, held: %v", v.Digest, held)
	}
	if len(rules.Unreadable) != 3 || next < 6 {
		t.Errorf("%d messages cannot be read, want 3; the next is %d: %v", len(rules.Unreadable), next, rules.Unreadable)
	}
	if err := rules.unread(); err == nil || !strings.Contains(err.Error(), "sha256:3") || !strings.Contains(err.Error(), "sha256:4") {
		t.Errorf("versions that cannot be read are not reported: %v", err)
	}
}
