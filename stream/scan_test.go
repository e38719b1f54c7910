package stream

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestOneEmptyPollIsNotTheEnd: a broker that sends nothing for longer than one poll, and then sends
// records, is read to the end.
func TestOneEmptyPollIsNotTheEnd(t *testing.T) {
	const silence = scanPoll + scanPoll/2
	for name, quietly := range map[string]func(*world, *atomic.Bool){
		"no answer": func(w *world, asked *atomic.Bool) {
			w.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				asked.Store(true)
				w.cluster.SleepControl(func() { time.Sleep(silence) })
				return nil, nil, false
			})
		},
		"empty answers": func(w *world, asked *atomic.Bool) {
			began := time.Now()
			w.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				if time.Since(began) > silence {
					return nil, nil, false
				}
				asked.Store(true)
				w.cluster.KeepControl()
				time.Sleep(20 * time.Millisecond)
				return req.ResponseKind(), nil, true
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.send(0, fine, fine, fine)
			var asked atomic.Bool
			quietly(w, &asked)
			same(t, "in/0", ids(w.read(testIn, 0)), []string{"0/0", "0/1", "0/2"})
			if !asked.Load() {
				t.Error("the broker was never silent")
			}
		})
	}
}
