package gateway

import (
	"cmp"
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
)

// Limits are the limits of a gateway. For a limit of 0 the default applies, which is stated last.
type Limits struct {
	Requests     int           // running at a time; 4096
	Concurrency  int           // running at a time for one credential; 1024
	Rate         float64       // events a second of a credential without a rate of its own; 10,000
	Body         int64         // bytes of a request, uncompressed; 8 MiB
	Blob         int64         // bytes of a file; 48 MiB
	Timeout      time.Duration // how long the broker may take; 10 s
	Memory       int64         // bytes of all requests of identified senders at a time, uncompressed; 160 MiB
	Unidentified int64         // the same for webhooks and for requests without a credential; 96 MiB
	Wait         time.Duration // how long a request waits for memory; 2 s
	BlobRate     int64         // bytes of files a minute of one credential; 1 GiB
}

func (l Limits) orDefaults() Limits {
	l.Requests = cmp.Or(l.Requests, 4096)
	l.Concurrency = cmp.Or(l.Concurrency, 1024)
	l.Rate = cmp.Or(l.Rate, 10_000)
	l.Body = cmp.Or(l.Body, 8<<20)
	l.Blob = cmp.Or(l.Blob, 48<<20)
	l.Timeout = cmp.Or(l.Timeout, 10*time.Second)
	l.Memory = cmp.Or(l.Memory, 160<<20)
	l.Unidentified = cmp.Or(l.Unidentified, 96<<20)
	l.Wait = cmp.Or(l.Wait, 2*time.Second)
	l.BlobRate = cmp.Or(l.BlobRate, 1<<30)
	return l
}

// maxKnown bounds the senders whose rate is remembered; the one that has been quiet for longest is
// forgotten.
const maxKnown = 10_000

// A limiter bounds what each sender may do.
type limiter struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex
	senders map[string]*list.Element // of *sender
	order   *list.List               // the latest first
}

type sender struct {
	key    string
	bucket *rate.Limiter
	files  *rate.Limiter // bytes of them
	atWork int
	large  chan struct{} // turns of large requests
}

// A senderKey identifies a sender, and contains the rate that its credential states.
type senderKey struct {
	name string
	rate float64
}

// keyOf returns the key of a sender: its credential, or its address if it has none.
func keyOf(who identity.Principal, r *http.Request) senderKey {
	if who.Name != "" {
		return senderKey{"credential " + who.Name, who.Rate}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return senderKey{"address " + host, 0}
}

func newLimiter(l Limits, now func() time.Time) *limiter {
	return &limiter{limits: l, now: now, senders: make(map[string]*list.Element), order: list.New()}
}

// of returns the sender of a key. The caller holds mu.
func (l *limiter) of(k senderKey) *sender {
	if e, ok := l.senders[k.name]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*sender)
	}
	k.rate = cmp.Or(k.rate, l.limits.Rate)
	s := &sender{
		key: k.name, bucket: rate.NewLimiter(rate.Limit(k.rate), max(1, int(k.rate))),
		files: rate.NewLimiter(rate.Limit(float64(l.limits.BlobRate)/60), int(l.limits.BlobRate)), large: newTurns(),
	}
	l.senders[k.name] = l.order.PushFront(s)
	for e := l.order.Back(); len(l.senders) > maxKnown && e != nil; e = e.Prev() {
		if old := e.Value.(*sender); old.atWork == 0 {
			delete(l.senders, old.key)
			l.order.Remove(e)
			break
		}
	}
	return s
}

// enter counts a request as running, until leave is called.
func (l *limiter) enter(k senderKey) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(k)
	if s.atWork >= l.limits.Concurrency {
		return nil, problem.New(http.StatusTooManyRequests, "%s has %d running requests, which is its limit", k.name, s.atWork).Later(time.Second)
	}
	s.atWork++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		s.atWork--
	}, nil
}

// turns returns the turns of the large requests of a sender.
func (l *limiter) turns(k senderKey) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(k).large
}

// burst returns how many events a sender may send at once.
func (l *limiter) burst(k senderKey) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(k).bucket.Burst()
}

// allow counts n events against the rate of a sender. A batch may have as many as a second allows.
func (l *limiter) allow(k senderKey, n int) error {
	l.mu.Lock()
	s := l.of(k)
	l.mu.Unlock()
	now := l.now()
	if burst := s.bucket.Burst(); n > burst {
		return problem.New(http.StatusTooManyRequests, "the batch has %d events, but %s may send %d in one second; send smaller batches", n, k.name, burst).Later(time.Second)
	}
	reserved := s.bucket.ReserveN(now, n)
	if wait := reserved.DelayFrom(now); wait > 0 {
		reserved.CancelAt(now)
		return problem.New(http.StatusTooManyRequests, "%s may send %g events a second", k.name, float64(s.bucket.Limit())).Later(wait)
	}
	return nil
}

// allowFile counts the bytes of a file against the rate of a sender, which may send those of a minute
// at once.
func (l *limiter) allowFile(k senderKey, bytes int) error {
	l.mu.Lock()
	s := l.of(k)
	l.mu.Unlock()
	now := l.now()
	reserved := s.files.ReserveN(now, min(bytes, s.files.Burst()))
	if wait := reserved.DelayFrom(now); wait > 0 {
		reserved.CancelAt(now)
		return problem.New(http.StatusTooManyRequests, "%s may send %d MiB of files a minute", k.name, l.limits.BlobRate>>20).Later(wait)
	}
	return nil
}
