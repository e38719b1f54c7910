//go:build bench

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/enricher"
	"github.com/changetrail/changetrail/internal/workload"
	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// signing is the key of the gateway and of the enricher in this benchmark.
const signingKey = "CHANGETRAIL_SIGNING_KEY=0123456789abcdef0123456789abcdef"

// TestGate asks the gate over HTTP, 200 times a second, about random ones of many changes; then it
// sends reviews, and asks as soon as each is accepted: how long until the gate's answer counts it.
func TestGate(t *testing.T) {
	const rate, seconds, reviews = 200, 20, 200
	changes := sizeFrom(t, benchGate, 20_000)
	adm := admin(t)
	top := topics(t, "gatechanges")
	n, _ := publish(t, adm, top, evenly(), changes)
	dir := t.TempDir()
	e := enrichCommand(binary, top, filepath.Join(dir, "state"))
	e.Env = append(e.Environ(), signingKey)
	enriching := start(t, e)
	enriching.segment(t, consumed(t, adm, enricher.Group(top), top.Events()), segment{}, n)
	address := freeAddress(t)
	g := exec.Command(binary, "gateway", "--brokers", broker.Address, "--prefix", top.Prefix, "--listen", address, "--gate-dir", filepath.Join(dir, "gate"), "--log-level", "error")
	g.Env = append(g.Environ(), signingKey)
	began := time.Now()
	gating := start(t, g)
	ids := changeIDs(changes)
	for {
		if _, status := askGate(t, address, ids[0], ""); status == http.StatusOK {
			break
		}
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("the gate does not answer\n%s", gating.log.String())
		}
		time.Sleep(200 * time.Millisecond)
	}
	fmt.Printf("\ngate over %d changes of %d events: its copy of the state was complete after %s; %d MB on disk, %d MB peak\n", changes, workload.PerChange, time.Since(began).Round(100*time.Millisecond), size(t, filepath.Join(dir, "gate"))>>20, peakMemory(t, gating.cmd.Process.Pid)>>20)
	steady := atRate(rate, rate*seconds, func(i int) { askGate(t, address, ids[rand.IntN(len(ids))], "") })
	fmt.Printf("%d questions a second: p50 %s, p99 %s (goal: under 100 ms)\n", rate, quantile(steady, 50), quantile(steady, 99))
	known := make([]time.Duration, 0, reviews)
	for i := range reviews {
		id := ids[i]
		review(t, address, id, i)
		at := time.Now()
		askGate(t, address, id, "")
		known = append(known, time.Since(at))
	}
	slices.Sort(known)
	fmt.Printf("from an accepted review to an answer that counts it: p50 %s, p99 %s (goal: under 500 ms)\n", quantile(known, 50), quantile(known, 99))
}

// changeIDs returns the ids of the changes that publish made.
func changeIDs(n int) []string {
	g := evenly()
	out := make([]string, n)
	for i := range out {
		for _, e := range g.Change() {
			if strings.Contains(e.Subject(), "/pull/") {
				out[i] = e.Subject()
				break
			}
		}
	}
	return out
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func askGate(t *testing.T, address, id, query string) (body []byte, status int) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/v1/changes/" + id + "/gate" + query)
	if err != nil {
		return nil, 0
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return body, answer.StatusCode
}

func review(t *testing.T, address, id string, n int) {
	t.Helper()
	e := producer.Event(id, &record.Review{Reviewer: "bob", ReviewerType: "human", Verdict: "approved", ReviewID: fmt.Sprint("late", n)})
	e.SetSource("/host")
	e.SetID(fmt.Sprint("late", n))
	e.SetTime(time.Now())
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post("http://"+address+"/v1/events", "application/cloudevents+json", strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode/100 != 2 {
		t.Fatalf("%d %s", answer.StatusCode, body)
	}
}

// atRate calls f at a steady rate, whether earlier calls have ended or not, and returns how long the
// calls took, sorted.
func atRate(rate, n int, f func(i int)) []time.Duration {
	took := make([]time.Duration, n)
	var wait sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		wait.Go(func() {
			f(i)
			took[i] = time.Since(due)
		})
	}
	wait.Wait()
	slices.Sort(took)
	return took
}

func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(100 * time.Microsecond)
}
