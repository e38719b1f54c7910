package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// answers is a gate whose answers a test decides. Each answer is recorded when it is given.
type answers struct {
	mu  sync.Mutex
	say map[record.ChangeID]gate.Decision
	no  error // why it cannot tell
}

func (a *answers) Ask(_ context.Context, q gate.Question) (gate.Decision, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.say[q.Change], a.no
}

// set changes the answer about a change, and returns what the follower says of it.
func (a *answers) set(d gate.Decision) pending.Item {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.say[d.Change] = d
	return pending.Item{Change: d.Change, Decision: d}
}

func (a *answers) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.no = err
}

func sha(n int) string { return fmt.Sprintf("%040x", n) }

// decision returns the n-th answer about a change; one in three allows.
func decision(id record.ChangeID, n int) gate.Decision {
	d := gate.Decision{Change: id, Head: sha(1), Allowed: n%3 == 0, Reasons: []string{fmt.Sprintf("answer %d.", n)}}
	if n%3 == 1 {
		d.Missing = []gate.Missing{{What: "review", Service: fmt.Sprintf("answer %d", n)}}
	}
	return d
}

var quick = times{
	ask: time.Second, look: time.Second, post: time.Second, retry: time.Millisecond, mostRetry: 20 * time.Millisecond,
	lookAgain: 150 * time.Millisecond, probe: 20 * time.Millisecond, doubt: time.Second,
}

func worker(t *testing.T, url string, asker Asker) *Worker {
	t.Helper()
	host, err := NewGitHub(url, Fixed(token))
	if err != nil {
		t.Fatal(err)
	}
	lab, err := NewGitLab(url, token, "Service 2")
	if err != nil {
		t.Fatal(err)
	}
	w := New(asker, []Host{host, lab}, "https://trail.acme.example/", slog.New(slog.DiscardHandler))
	w.times = quick
	return w
}

func mine(context.Context) error { return nil }

// begins runs a worker until stop is called, which may say why.
func begins(t *testing.T, w *Worker, still func(context.Context) error) (stop func(error)) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx, still) }()
	stop = func(err error) { cancel(err); <-done }
	t.Cleanup(func() { stop(nil) })
	return stop
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for began := time.Now(); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal(what)
		}
	}
}

// change returns a pull request at a server.
func change(url, repo string, number int) record.ChangeID {
	_, host, _ := strings.Cut(url, "://")
	return record.Repository(host + "/" + repo).Change(fmt.Sprintf("/pull/%d", number))
}

// TestHostsShowTheNewestAnswer changes the answers about four changes while requests fail in every
// way, before and after the host did what it was asked. At the end each host shows the newest answer,
// and none ever showed an older one after a newer one. Without faults each answer is posted once.
func TestHostsShowTheNewestAnswer(t *testing.T) {
	for seed := range uint64(6) {
		for _, faulty := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, faulty %v", seed, faulty), func(t *testing.T) { follow(t, seed, faulty) })
		}
	}
}

func follow(t *testing.T, seed uint64, faulty bool) {
	s := newServer(t)
	rnd := rand.New(rand.NewPCG(seed, 1))
	if faulty {
		chance := rand.New(rand.NewPCG(seed, 2))
		s.fault = func(*http.Request) fault {
			return []fault{works, works, works, works, lostFirst, lostAfter, failFirst, failAfter, busy}[chance.IntN(9)]
		}
	}
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	w := worker(t, s.URL, a)
	w.times.lookAgain = time.Hour // the order is that of the requests of one turn
	begins(t, w, mine)
	last := make(map[string]int)
	for n := range 60 {
		repo := fmt.Sprintf("acme/shop%d", rnd.IntN(4))
		last[repo] = n
		w.Opened(a.set(decision(change(s.URL, repo, 7), n)))
		time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
	}
	number := func(said string) (n int) {
		if _, err := fmt.Sscanf(said[strings.Index(said, "answer ")+len("answer "):], "%d", &n); err != nil {
			t.Fatalf("%q: %v", said, err)
		}
		return n
	}
	for repo, n := range last {
		eventually(t, "the newest answer is not shown", func() bool {
			all := s.posted(repo, sha(1))
			return len(all) > 0 && number(all[len(all)-1]) == n
		})
		all := s.posted(repo, sha(1))
		seen := -1
		for _, said := range all {
			n := number(said)
			if n < seen || !faulty && n == seen {
				t.Errorf("%s: after answer %d the host shows answer %d: %v", repo, seen, n, all)
			}
			if strings.HasPrefix(said, Success) != (n%3 == 0) {
				t.Errorf("answer %d is shown as %s", n, said)
			}
			seen = n
		}
	}
}

// TestTheNextProcessPostsOnlyWhatDiffers: after a restart, the host is asked what it shows.
func TestTheNextProcessPostsOnlyWhatDiffers(t *testing.T) {
	s := newServer(t)
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	first, second := change(s.URL, "acme/shop", 7), change(s.URL, "acme/pay", 7)
	for _, n := range []int{3, 4} {
		w := worker(t, s.URL, a)
		w.Opened(a.set(decision(first, 3)))
		w.Opened(a.set(decision(second, n)))
		stop := begins(t, w, mine)
		eventually(t, "the answer is not shown", func() bool {
			all := s.posted("acme/pay", sha(1))
			return len(all) > 0 && strings.Contains(all[len(all)-1], fmt.Sprintf("answer %d", n)) && len(s.posted("acme/shop", sha(1))) > 0
		})
		time.Sleep(2 * quick.lookAgain)
		stop(nil)
	}
	if one, two := s.posted("acme/shop", sha(1)), s.posted("acme/pay", sha(1)); len(one) != 1 || len(two) != 2 {
		t.Errorf("posted: %v and %v", one, two)
	}
}

// TestTwoProcessesPostAsOne: two workers hear of the same answers, and take turns.
func TestTwoProcessesPostAsOne(t *testing.T) {
	s := newServer(t)
	conf := stream.Config{Brokers: kafkatest.Cluster(t, 1, "t.policies").ListenAddrs()}
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	var workers []*Worker
	var stops []context.CancelFunc
	var wait sync.WaitGroup
	defer wait.Wait()
	for range 2 {
		w := worker(t, s.URL, a)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		workers, stops = append(workers, w), append(stops, cancel)
		wait.Go(func() {
			if err := stream.Alone(ctx, conf, "t-status", "t.policies", func(ctx context.Context, turn stream.Turn) { w.Run(ctx, turn.Still) }); err != nil {
				t.Error(err)
			}
		})
	}
	want := 0
	for n := range 30 {
		if n == 15 {
			stops[0]()
		}
		i := a.set(decision(change(s.URL, "acme/shop", 7), n))
		for _, w := range workers {
			w.Opened(i)
		}
		want++
		eventually(t, "the answer is not shown", func() bool {
			all := s.posted("acme/shop", sha(1))
			return len(all) > 0 && strings.Contains(all[len(all)-1], fmt.Sprintf("answer %d", n))
		})
	}
	if all := s.posted("acme/shop", sha(1)); len(all) != want {
		t.Errorf("%d answers were posted %d times: %v", want, len(all), all)
	}
}

// TestNoSuccessStaysWhenTheGateCannotTell: however the worker learns that it cannot.
func TestNoSuccessStaysWhenTheGateCannotTell(t *testing.T) {
	away := fmt.Errorf("%w: the broker is away", gate.ErrUnknown)
	for name, happens := range map[string]func(a *answers, w *Worker, stop func(error)){
		"something happens to the change": func(a *answers, w *Worker, _ func(error)) {
			a.fail(away)
			w.Opened(pending.Item{Change: allowed(w), Decision: decision(allowed(w), 1)})
		},
		"nothing happens": func(a *answers, _ *Worker, _ func(error)) { a.fail(away) },
		"the turn is lost": func(a *answers, _ *Worker, stop func(error)) {
			a.fail(away)
			stop(stream.ErrLost)
		},
	} {
		for _, f := range []fault{works, lostFirst, lostAfter, failFirst} {
			t.Run(name+", "+string(f), func(t *testing.T) {
				s := newServer(t)
				a := &answers{say: make(map[record.ChangeID]gate.Decision)}
				w := worker(t, s.URL, a)
				stop := begins(t, w, mine)
				w.Opened(a.set(decision(change(s.URL, "acme/shop", 7), 3)))
				w.Opened(a.set(decision(change(s.URL, "acme/pay", 7), 4)))
				eventually(t, "success is not shown", func() bool {
					return len(s.posted("acme/shop", sha(1))) == 1 && len(s.posted("acme/pay", sha(1))) == 1
				})
				if name != "the turn is lost" { // one request must do then
					failed := false
					s.mu.Lock()
					s.fault = func(r *http.Request) fault {
						if failed || r.Method != http.MethodPost {
							return works
						}
						failed = true
						return f
					}
					s.mu.Unlock()
				}
				happens(a, w, stop)
				eventually(t, "success stays", func() bool {
					all := s.posted("acme/shop", sha(1))
					return strings.HasPrefix(all[len(all)-1], Error+": The gate cannot tell")
				})
				if all := s.posted("acme/pay", sha(1)); !strings.HasPrefix(all[len(all)-1], Pending) {
					t.Errorf("a denial is replaced: %v", all)
				}
				if name == "the turn is lost" {
					return
				}
				a.fail(nil)
				eventually(t, "the answer is not shown again", func() bool {
					all := s.posted("acme/shop", sha(1))
					return strings.HasPrefix(all[len(all)-1], Success)
				})
			})
		}
	}
}

// allowed returns the change whose host shows success.
func allowed(w *Worker) record.ChangeID {
	id, _ := w.allowed()
	return id
}

// TestNothingIsPostedAfterTheTurn: the gate answers, and then the group says that another process has
// begun.
func TestNothingIsPostedAfterTheTurn(t *testing.T) {
	s := newServer(t)
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	w := worker(t, s.URL, a)
	asked := make(chan struct{}, 100)
	begins(t, w, func(context.Context) error {
		asked <- struct{}{}
		return errors.New("not this member's")
	})
	w.Opened(a.set(decision(change(s.URL, "acme/shop", 7), 3)))
	<-asked
	<-asked
	if all := s.posted("acme/shop", sha(1)); len(all) > 0 {
		t.Errorf("posted: %v", all)
	}
}

// TestTheHostIsLeftAloneForAsLongAsItAsks: no request comes before, about no change.
func TestTheHostIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	s := newServer(t)
	s.strict = true
	once := false
	s.fault = func(*http.Request) fault {
		if once {
			return works
		}
		once = true
		return limited
	}
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	w := worker(t, s.URL, a)
	begins(t, w, mine)
	w.Opened(a.set(decision(change(s.URL, "acme/shop", 7), 3)))
	eventually(t, "no request came", func() bool { return s.counted() == 1 })
	time.Sleep(50 * time.Millisecond) // until the reply is read
	for n := range 5 {
		w.Opened(a.set(decision(change(s.URL, fmt.Sprintf("acme/pay%d", n), 7), 3)))
	}
	eventually(t, "success is not shown", func() bool { return len(s.posted("acme/shop", sha(1))) == 1 && len(s.posted("acme/pay4", sha(1))) == 1 })
}

// TestTwoChangesWithOneCommitShareTheGravestAnswer, because a commit has one status.
func TestTwoChangesWithOneCommitShareTheGravestAnswer(t *testing.T) {
	s := newServer(t)
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	w := worker(t, s.URL, a)
	begins(t, w, mine)
	one, two := change(s.URL, "acme/shop", 7), change(s.URL, "acme/shop", 8)
	shows := func(prefix string) {
		t.Helper()
		eventually(t, "it does not show "+prefix, func() bool {
			all := s.posted("acme/shop", sha(1))
			return len(all) > 0 && strings.HasPrefix(all[len(all)-1], prefix)
		})
	}
	w.Opened(a.set(decision(one, 3)))
	shows(Success)
	w.Opened(a.set(decision(two, 2)))
	shows(Failure + ": Denied: answer 2.")
	w.Opened(a.set(decision(one, 4)))
	time.Sleep(30 * time.Millisecond)
	shows(Failure)
	w.Ended(two)
	shows(Pending + ": Missing: a review for answer 4")
	moved := decision(one, 6)
	moved.Head = sha(2)
	w.Opened(a.set(moved))
	eventually(t, "the new commit has no status", func() bool { return len(s.posted("acme/shop", sha(2))) == 1 })
}

// TestGitLabIsAnsweredAboutTheNewestCommitOnly: about another one it refuses.
func TestGitLabIsAnsweredAboutTheNewestCommitOnly(t *testing.T) {
	s := newServer(t)
	a := &answers{say: make(map[record.ChangeID]gate.Decision)}
	w := worker(t, s.URL, a)
	begins(t, w, mine)
	_, host, _ := strings.Cut(s.URL, "://")
	id := record.Repository(host + "/group/sub/shop").Change("/merge_requests/14")
	const key = "group%2Fsub%2Fshop!14"
	says := func(want string) {
		t.Helper()
		eventually(t, "GitLab does not say "+want, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.checks[key] == want
		})
	}
	s.mu.Lock()
	s.heads[key] = sha(1)
	s.mu.Unlock()
	w.Opened(a.set(decision(id, 3)))
	says("passed")
	s.mu.Lock()
	s.heads[key], s.checks[key] = sha(2), "pending" // as GitLab does after a push
	s.mu.Unlock()
	w.Opened(a.set(decision(id, 2)))
	time.Sleep(100 * time.Millisecond)
	says("pending")
	moved := decision(id, 1)
	moved.Head = sha(2)
	w.Opened(a.set(moved))
	says("failed")
	a.fail(fmt.Errorf("%w: away", gate.ErrUnknown))
	if !slices.Contains(s.requests, "POST /api/v4/projects/group%2Fsub%2Fshop/merge_requests/14/status_check_responses") {
		t.Errorf("requests: %v", s.requests)
	}
}
