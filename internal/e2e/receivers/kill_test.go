//go:build servers

package receivers

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/e2e/killtest"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/sinktest"
	"github.com/changetrail/changetrail/sinks/splunk/hectest"
)

// A target is a receiver of a sink that is killed.
type target struct {
	engine      string
	args        []string
	environment []string
	progress    func() int64 // grows whenever documents arrive
	delivered   func(t *testing.T) []delivery
}

// TestKilledAtRandomNothingIsLost kills each sink with SIGKILL while it delivers. At the end each
// document has arrived, none is a dead letter, and each repeat is the same document with the same
// index, id and revision: the receivers append, so that only these show a repeat.
func TestKilledAtRandomNothingIsLost(t *testing.T) {
	kafka, program := killtest.Kafka(t), killtest.Build(t)
	for name, start := range map[string]func(*testing.T) target{
		"splunk":   splunkTarget,
		"otlp":     collectorTarget,
		"tls":      func(t *testing.T) target { return rsyslogTarget(t, "tls") },
		"relp-tls": func(t *testing.T) target { return rsyslogTarget(t, "relp+tls") },
	} {
		t.Run(name, func(t *testing.T) { killed(t, program, killtest.New(t, kafka, name), start(t)) })
	}
}

func splunkTarget(t *testing.T) target {
	const token = "0aa1b2c3-0000-4000-8000-00000000cafe"
	// Events are indexed a while after they are accepted, so that sinks are killed in between.
	hec := &hectest.Collector{Tokens: map[string]hectest.Token{token: {Acks: true}}, Delay: 30 * time.Millisecond}
	server := httptest.NewServer(hec)
	t.Cleanup(server.Close)
	return target{
		engine: settings.Splunk, args: []string{"--url", server.URL}, environment: []string{"CHANGETRAIL_SINK_TOKEN=" + token},
		progress: func() int64 { return int64(hec.Requests()) },
		delivered: func(t *testing.T) (out []delivery) {
			for _, e := range hec.Events() {
				version, err := strconv.ParseInt(e.Fields["changetrail_revision"], 10, 64)
				if err != nil && e.Fields["changetrail_revision"] != "" {
					t.Fatal(err)
				}
				out = append(out, delivery{e.Fields["changetrail_index"], e.Fields["changetrail_id"], sinktest.Copy{Version: version, Body: string(e.Event)}})
			}
			return out
		},
	}
}

func collectorTarget(t *testing.T) target {
	c := startCollector(t)
	return target{
		engine: settings.OTLP, args: []string{"--url", "http://" + c.address}, delivered: c.delivered,
		progress: func() int64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return int64(len(c.logs))
		},
	}
}

func rsyslogTarget(t *testing.T, scheme string) target {
	r := startRsyslog(t)
	return target{
		engine: settings.Syslog, args: []string{"--url", r.urls[scheme]}, delivered: r.delivered,
		environment: []string{"CHANGETRAIL_SINK_CA_FILE=" + r.tls.CAFile, "CHANGETRAIL_SINK_CERT_FILE=" + r.tls.CertFile, "CHANGETRAIL_SINK_KEY_FILE=" + r.tls.KeyFile},
		progress: func() int64 {
			i, err := os.Stat(r.file("messages"))
			if err != nil {
				return 0 // no message has arrived yet
			}
			return i.Size()
		},
	}
}

func killed(t *testing.T, program string, p *killtest.Pipeline, to target) {
	sink := p.Start(t, program, append([]string{"--engine", to.engine}, to.args...), to.environment...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var published sync.WaitGroup
	published.Go(func() { p.Publish(ctx, t, 50*time.Millisecond) })
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range killtest.Kills {
		before := to.progress()
		until(t, "documents arrive after a kill", func() bool { return to.progress() > before })
		// Often the rest of the request is still on its way then.
		time.Sleep(time.Duration(rnd.ExpFloat64() * float64(50*time.Millisecond)))
		sink.Kill()
	}
	stop()
	published.Wait()
	group := sinks.Group(p.Topics, to.engine)
	until(t, "the sink has committed all", func() bool { return p.Lag(t, group) == 0 })
	judge(t, p.Documents(), to.delivered(t))
	if n := p.Refused(t); n > 0 {
		t.Errorf("%d documents are dead letters", n)
	}
	had := to.progress()
	sink.Kill()
	time.Sleep(2 * time.Second)
	if has := to.progress(); has != had {
		t.Errorf("a sink that had committed all sends %d more", has-had)
	}
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("this did not happen within a minute: %s", what)
		}
	}
}

// judge compares what arrived with what was published.
func judge(t *testing.T, published map[killtest.Key]string, arrived []delivery) {
	t.Helper()
	copies := make(map[killtest.Key]int)
	for _, d := range arrived {
		k := killtest.Key{Index: d.index, ID: d.id, Revision: d.copy.Version}
		copies[k]++
		switch want, known := published[k]; {
		case !known:
			t.Fatalf("nobody published %v: %s", k, d.copy.Body)
		case killtest.Canonical([]byte(d.copy.Body)) != want:
			t.Fatalf("%v is %s, was published as %s", k, d.copy.Body, want)
		}
	}
	lost, repeated := 0, 0
	for k := range published {
		switch n := copies[k]; {
		case n == 0:
			lost++
		case n > 1:
			repeated++
		}
	}
	t.Logf("%d documents were published; after %d kills %d are lost, %d arrived more than once, %d repeats in all", len(published), killtest.Kills, lost, repeated, len(arrived)-len(copies))
	if lost > 0 {
		t.Error("a document is lost")
	}
}
