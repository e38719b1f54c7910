//go:build servers

package redteam

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
)

const (
	maxMemory = 1 << 30
	// floor is the time below which an answer is quick, whatever is usual.
	floor = 50 * time.Millisecond
	// samples are the requests of which the median counts.
	samples = 5
)

// A known change is what was said of it before the adversary moved.
type known struct {
	change, agent string
	answers       [4]string
	gaps          []string
	facts         string
}

// A watch holds what must be so after each move.
type watch struct {
	*town
	known        []known
	page, event  time.Duration // usual times
	reads        []string      // paths at which the adversary reads after each move
	unseenChange []string      // changes that there must never be
}

// answersOf are the four answers; empty where there is no record.
func answersOf(r *record.Record) [4]string {
	if a := r.Trail.Answers; a != nil {
		return [4]string{a.Trigger, a.Alternatives, a.Authorized, a.Reviewed}
	}
	return [4]string{}
}

var questions = [4]string{"trigger", "alternatives", "authorized", "reviewed"}

func factsOf(r *record.Record) string {
	c := r.Trail.Change
	facts := fmt.Sprint("head ", c.HeadSHA, ", author ", c.Author, ", files ", c.Files)
	if !c.MergedAt.IsZero() { // else a claim is shown, as one
		facts += fmt.Sprint(", merged at ", c.MergedAt, " by ", c.MergedBy, " as ", c.MergeSHA)
	}
	return facts
}

// proof is how near an answer is to proven.
func proof(answer string) int {
	switch answer {
	case "", record.Contradicted:
		return 0
	case record.Unproven, record.Pending:
		return 1
	case record.Partial:
		return 2
	}
	return 3
}

// newWatch notes what is said of each story, and how long answers take.
func newWatch(t *testing.T, c *town) *watch {
	t.Helper()
	w := &watch{town: c}
	said := make(map[string]int)
	for _, s := range stories() {
		r, err := c.recordOf(s.change)
		if err != nil || r == nil {
			t.Fatal(s.change, r, err)
		}
		w.known = append(w.known, known{s.change, s.agent, answersOf(r), r.Trail.Gaps, factsOf(r)})
		for _, a := range answersOf(r) {
			said[a]++
		}
		t.Logf("%s: %v %v", s.change, answersOf(r), r.Trail.Gaps)
	}
	for _, a := range []string{record.Proven, record.Contradicted, record.Unproven, record.Pending} {
		if said[a] == 0 {
			t.Fatalf("no answer is %s: %v", a, said)
		}
	}
	var err1, err2 error
	w.page, err1 = median(30, w.aPage)
	w.event, err2 = median(30, w.anEvent)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	t.Logf("usually a page takes %s, an event of the code host %s", w.page, w.event)
	return w
}

func (w *watch) aPage() error {
	status, text, err := w.ask("GET", "/changes/"+payments+"/pull/1", "ana", nil)
	if err == nil && (status != 200 || !strings.Contains(text, canary)) {
		err = fmt.Errorf("a person's page: %d %.300s", status, text)
	}
	return err
}

func (w *watch) anEvent() error {
	_, err := w.deliver(payments)
	return err
}

func median(n int, f func() error) (time.Duration, error) {
	times := make([]time.Duration, n)
	for i := range times {
		began := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[n/2], nil
}

// A wait is how long somebody else waited for an answer.
type wait struct {
	what  string
	ask   func() error
	usual time.Duration
	took  time.Duration
}

func (k wait) long(usual time.Duration) bool { return k.took > 2*max(usual, floor) }

// served asks as others do, and returns where they waited for more than twice the usual time.
// Since other programs use the machine, too, it is tried three times.
func (w *watch) served(t *testing.T) (long []wait) {
	t.Helper()
	for _, k := range []wait{{what: "a page", ask: w.aPage, usual: w.page}, {what: "an event of the code host", ask: w.anEvent, usual: w.event}} {
		k.took = time.Hour
		for range 3 {
			took, err := median(samples, k.ask)
			if err != nil {
				t.Errorf("%s: %v", k.what, err)
			} else {
				k.took = min(k.took, took)
			}
			if !k.long(k.usual) {
				break
			}
		}
		if k.long(k.usual) {
			long = append(long, k)
		}
	}
	return long
}

// waited holds that nobody waited for long because of the adversary. The usual time is taken
// again once it rests: what is slow then, too, others than it make slow.
func (w *watch) waited(t *testing.T, long []wait) {
	t.Helper()
	for _, k := range long {
		usual, err := median(3*samples, k.ask)
		if err != nil || k.long(usual) {
			t.Errorf("%s takes others %s; usual is %s, and %s right afterwards: %v", k.what, k.took, k.usual, usual, err)
		}
	}
}

// truthful holds that no answer moved towards proven, no gap was taken away, and nothing that
// was observed changed.
func (w *watch) truthful(t *testing.T, a *adversary) {
	t.Helper()
	for _, k := range w.known {
		r, err := w.recordOf(k.change)
		if err != nil || r == nil {
			t.Errorf("the record of %s is gone: %v", k.change, err)
			continue
		}
		now, same := answersOf(r), true
		for i, q := range questions {
			same = same && now[i] == k.answers[i]
			if i < 2 && (a.decided[k.change] || a.claimed[k.change] && proof(now[i]) <= proof(record.Partial)) {
				continue // what an agent says of its own trigger and alternatives; only claimed it is partial
			}
			if proof(now[i]) > proof(k.answers[i]) {
				t.Errorf("%s: %s moves from %s to %s; gaps were %v, are %v", k.change, q, k.answers[i], now[i], k.gaps, r.Trail.Gaps)
			}
		}
		for _, g := range k.gaps {
			if same && !slices.Contains(r.Trail.Gaps, g) {
				t.Errorf("%s: the gap %s is gone: %v", k.change, g, r.Trail.Gaps)
			}
		}
		if facts := factsOf(r); facts != k.facts {
			t.Errorf("%s: what was observed changes from %s to %s", k.change, k.facts, facts)
		}
	}
	for _, change := range w.unseenChange {
		if r, err := w.recordOf(change); err != nil || r != nil {
			t.Errorf("there is a record of %s, of which nothing was told: %v, %v", change, r, err)
		}
	}
}

// memory is the most that the process used since the last time.
func (w *watch) memory(t *testing.T) int64 {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(w.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatalf("it is gone: %v: %s", err, w.out)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(filepath.Join(proc, "clear_refs"), []byte("5"), 0o200) // the most, from now on
	return kb << 10
}

// unseen holds that the adversary read nothing that is not its own.
func (w *watch) unseen(t *testing.T, a *adversary) {
	t.Helper()
	for _, path := range w.reads {
		for _, token := range []string{w.tokens["mallory"], ""} {
			a.ask("GET", path, "", "Authorization", bearer(token))
		}
	}
	a.tool("explain_change", `{"change":"`+payments+`/pull/1"}`)
	if text, at, found := a.seen(); found {
		t.Errorf("the adversary reads %s: …%s…", at, text)
	}
	if told := a.evil.received(); told != "" {
		t.Errorf("the adversary's server is told %.500s", told)
	}
	for file, content := range a.files {
		if now, err := os.ReadFile(file); err != nil || string(now) != content {
			t.Errorf("%s of the person becomes %.200q, %v", file, now, err)
		}
	}
}

// after holds all of it, while what the adversary left running goes on.
func (w *watch) after(t *testing.T, a *adversary) {
	t.Helper()
	long := w.served(t)
	a.end()
	w.unseen(t, a)
	w.settle(t)
	w.waited(t, long)
	w.truthful(t, a)
	most := w.memory(t)
	if most >= maxMemory {
		t.Errorf("memory is %d MB", most>>20)
	}
	t.Logf("at most %d MB", most>>20)
}

// meanwhile runs f until others were asked how they are served.
func (a *adversary) meanwhile(f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(a.t.Context())
	a.cancels = append(a.cancels, cancel)
	a.running.Go(func() { f(ctx) })
}

func (a *adversary) end() {
	for _, cancel := range a.cancels {
		cancel()
	}
	a.running.Wait()
	a.cancels = nil
}
