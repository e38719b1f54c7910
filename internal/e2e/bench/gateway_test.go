//go:build bench

package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// floorGateway is an HTTP handler that does nothing but produce to all in-sync
// replicas.
func floorGateway(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BROKER")), kgo.DefaultProduceTopic(os.Getenv("TO")), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer cl.Close()
	server := &http.Server{Addr: os.Getenv("LISTEN"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = cl.ProduceSync(r.Context(), &kgo.Record{Key: []byte("github.com/acme/payments"), Value: body}).FirstErr()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	_ = server.ListenAndServe()
	return nil
}

// targets are actions of an agent, of 2 KB each: what a framework sends most.
func targets(url string) vegeta.Targeter {
	n := 0
	output := strings.Repeat("ok  github.com/acme/payments/internal/ledger 0.342s coverage: 81.2% of statements; the authorization module is untouched ", 11)
	return func(t *vegeta.Target) error {
		n++
		t.Method, t.URL = http.MethodPost, url+"/v1/events"
		t.Header = http.Header{"Content-Type": {schemas.ContentTypeEvent}}
		t.Body = fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/agents/agent-bot-3000","type":"%s","subject":"github.com/acme/payments/pull/%d","time":"%s","datacontenttype":"application/json","data":{"agent":{"id":"agent-bot-3000","provider":"anthropic","model":"claude-sonnet-4-5","run":"run-%d"},"tool":"Bash","call_id":"toolu_%d","outcome":"success","arguments":{"command":"go test ./... -run TestAll -count=1","description":"run the tests"},"result":%q,"files":["internal/ledger/ledger.go"]}}`,
			n, record.TypeActionPerformed, n%500+1, time.Now().UTC().Format(time.RFC3339Nano), n%500, n, output)
		return nil
	}
}

// attack sends events for a while, at a rate or (0) as fast as workers can.
func attack(t *testing.T, url string, rate int, workers uint64, d time.Duration) *vegeta.Metrics {
	t.Helper()
	var pace vegeta.Pacer = vegeta.Rate{Freq: rate, Per: time.Second}
	a := vegeta.NewAttacker(vegeta.Workers(workers), vegeta.MaxWorkers(workers), vegeta.KeepAlive(true), vegeta.Connections(int(workers)), vegeta.Timeout(10*time.Second))
	m := new(vegeta.Metrics)
	for res := range a.Attack(targets(url), pace, d, "gateway") {
		m.Add(res)
	}
	m.Close()
	return m
}

// serving starts a server and waits until it answers.
func serving(t *testing.T, cmd *exec.Cmd, url string) func() result {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if res, err := http.Get(url); err == nil {
			_ = res.Body.Close()
			return func() result {
				memory := peakMemory(t, cmd.Process.Pid)
				_ = cmd.Process.Signal(syscall.SIGTERM)
				_ = cmd.Wait()
				return result{cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), memory: memory}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	t.Fatalf("%v does not answer: %s", cmd.Args, &log)
	return nil
}

// TestGatewayBesideItsFloor sends events of 2 KB over HTTP: at 5,000 a second, and
// as fast as the answers come; to the gateway, and to a handler that only produces
// to the same broker.
func TestGatewayBesideItsFloor(t *testing.T) {
	top := topics(t, "gatewaybench")
	listen := [2]string{"127.0.0.1:18081", "127.0.0.1:18082"}
	start := [2]func() *exec.Cmd{
		func() *exec.Cmd { return floorCommand("gateway", "TO="+top.Events(), "LISTEN="+listen[0]) },
		func() *exec.Cmd {
			cmd := exec.Command(binary, "gateway", "--brokers", broker.Address, "--prefix", top.Prefix, "--listen", listen[1], "--log-level", "error")
			cmd.Env = append(os.Environ(), "CHANGETRAIL_GATEWAY_RATE=1000000") // the limit of a sender is not what is measured
			return cmd
		},
	}
	var fastest [2]float64
	var paced, free [2]*vegeta.Metrics
	var used [2]result
	for range 3 {
		for i := range start {
			url := "http://" + listen[i]
			stop := serving(t, start[i](), url)
			attack(t, url, 1000, 64, 2*time.Second) // warm
			p := attack(t, url, 5000, 256, 10*time.Second)
			f := attack(t, url, 0, 64, 10*time.Second)
			used[i] = stop()
			if f.Success < 1 || p.Success < 1 {
				t.Fatalf("%s: %v %v", url, p.Errors, f.Errors)
			}
			if f.Throughput > fastest[i] {
				fastest[i], paced[i], free[i] = f.Throughput, p, f
			}
		}
	}
	fmt.Printf("\ngateway: CloudEvents of 2 KB over HTTP, structured, one a request; best of 3\n")
	for i, name := range []string{"floor", "gateway"} {
		fmt.Printf("  %-8s at 5,000/s: %.0f/s answered, p50 %s, p99 %s; as fast as 64 clients can: %.0f/s, p99 %s; %d MB\n", name,
			paced[i].Throughput, paced[i].Latencies.P50.Round(10*time.Microsecond), paced[i].Latencies.P99.Round(100*time.Microsecond), free[i].Throughput, free[i].Latencies.P99.Round(100*time.Microsecond), used[i].memory>>20)
	}
	fmt.Printf("  ratio    %.0f %% of the floor (goal: 70 %%), p99 goal: 100 ms\n", 100*fastest[1]/fastest[0])
}
