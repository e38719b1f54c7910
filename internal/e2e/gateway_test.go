//go:build servers

package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// TestWhatAGatewayAcceptedIsInKafka kills a gateway with SIGKILL at random
// moments while clients send. Every event that was answered with 2xx must be in
// Kafka, and once by its source and id. The second gateway has a spool, and loses
// its broker on the way.
func TestWhatAGatewayAcceptedIsInKafka(t *testing.T) {
	binary := build(t)
	t.Run("without a spool", func(t *testing.T) { killGateway(t, newPipeline(t, "gatewaykill"), binary, nil) })
	t.Run("with a spool, and the broker away", func(t *testing.T) {
		killGateway(t, newPipeline(t, "gatewayspool"), binary, func(after int) {
			if after == gatewayKills/3 {
				broker.Stop()
				time.Sleep(5 * time.Second) // long enough that the gateway gives up waiting
			}
			if after == 2*gatewayKills/3 {
				restart(t, broker.Start)
			}
		}, "--spool", filepath.Join(t.TempDir(), "spool"))
	})
}

const gatewayKills = 21

func killGateway(t *testing.T, p *pipeline, binary string, meanwhile func(int), args ...string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	gateway := p.worker(t, binary, append([]string{"gateway", "--listen", address, "--log-level", "error"}, args...)...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	answered := make(map[string]int) // id → status
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", c, i)
				if status := sendUntilTaken(ctx, address, id); status != 0 {
					mu.Lock()
					answered[id] = status
					mu.Unlock()
				}
			}
		})
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	for i := range gatewayKills {
		time.Sleep(time.Duration(200+rnd.IntN(500)) * time.Millisecond)
		if meanwhile != nil {
			meanwhile(i)
		}
		gateway.kill()
	}
	time.Sleep(time.Second)
	stop()
	clients.Wait()

	spooled := 0
	for _, status := range answered {
		if status == http.StatusAccepted {
			spooled++
		}
	}
	seen, messages := make(map[string]bool), 0
	reader, err := kgo.NewClient(kgo.SeedBrokers(broker.Address), kgo.ConsumeTopics(p.topics.Events()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	eventually(t, time.Minute, func() error {
		poll, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		reader.PollFetches(poll).EachRecord(func(r *kgo.Record) {
			e, err := schemas.Open(stream.Message(r))
			if err != nil {
				t.Error(err)
			}
			messages++
			seen[e.Source+" "+e.ID] = true
		})
		missing := 0
		for id := range answered {
			if !seen["/agents/a "+id] {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d events that were answered for are not in Kafka", missing, len(answered))
		}
		return nil
	})
	t.Logf("%d kills; %d events answered for, %d of them from the spool's disk; %d messages in Kafka are %d events", gatewayKills, len(answered), spooled, messages, len(seen))
	if len(answered) < 500 || strings.Contains(strings.Join(args, " "), "spool") && spooled == 0 {
		t.Errorf("too little was answered for to tell anything")
	}
}

// sendUntilTaken sends an event as a client does that gives up on nothing, and
// returns the status with which it was taken; 0 where the test ended before.
func sendUntilTaken(ctx context.Context, address, id string) int {
	body := `{"specversion":"1.0","id":"` + id + `","source":"/agents/a","type":"` + record.TypeActionPerformed + `","subject":"github.com/acme/payments/pull/4829","data":{"agent":{"id":"a"},"tool":"edit"}}`
	for ctx.Err() == nil {
		res, err := http.Post("http://"+address+"/v1/events", schemas.ContentTypeEvent, strings.NewReader(body))
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode/100 == 2 {
			return res.StatusCode
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0
}
