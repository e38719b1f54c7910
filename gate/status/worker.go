package status

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

// An Asker answers whether a change may be merged, and records its answer. A [gate.Gate] is one.
type Asker interface {
	Ask(ctx context.Context, q gate.Question) (gate.Decision, error)
}

// A Worker lets code hosts show the gate's answers. It is a [pending.Listener].
type Worker struct {
	asker Asker
	hosts []Host
	pages string
	log   *slog.Logger
	times times

	mu    sync.Mutex
	jobs  map[Place]*job
	at    map[record.ChangeID]Place // of the jobs
	queue []Place
	wake  chan struct{} // has an element if the queue has
}

// times are how long a worker waits.
type times struct {
	ask       time.Duration // for an answer of the gate
	look      time.Duration // for a host to say what it shows
	post      time.Duration // from an answer until the request about it has ended; less than the session of a turn
	retry     time.Duration // after the first failure; twice as long after each more
	mostRetry time.Duration
	// lookAgain is how long after a request whose result was unknown, and after the begin of a turn,
	// the worker looks what the host shows: a request of before may arrive late.
	lookAgain time.Duration
	probe     time.Duration // between two looks whether the gate can tell
	doubt     time.Duration // for replacing what is not certain any more
}

var usual = times{
	ask: 15 * time.Second, look: 10 * time.Second, post: 5 * time.Second, retry: time.Second, mostRetry: 5 * time.Minute,
	lookAgain: time.Minute, probe: 20 * time.Second, doubt: 15 * time.Second,
}

// atOnce is how many places are worked on at a time.
const atOnce = 8

// New returns a worker. pages is the URL of the pages, to which statuses link; without it they have no
// links.
func New(asker Asker, hosts []Host, pages string, log *slog.Logger) *Worker {
	return &Worker{
		asker: asker, hosts: hosts, pages: strings.TrimRight(pages, "/"), log: log, times: usual,
		jobs: make(map[Place]*job), at: make(map[record.ChangeID]Place), wake: make(chan struct{}, 1),
	}
}

// A job is a place, and what is known of it.
type job struct {
	host    Host
	changes map[record.ChangeID]string // open ones, with the digest of the decision that was heard of last
	queued  bool
	busy    bool
	again   bool // something differs since it became busy
	tries   int  // that failed, since one succeeded

	shown    shown
	answered map[record.ChangeID]string // digests of the decisions that the host shows
}

// shown is what a host is known to show.
type shown struct {
	known  bool // false: it may show anything
	status Status
	risky  bool // a request is or was under way whose result is unknown
}

// Opened notes that an open change differs.
func (w *Worker) Opened(i pending.Item) {
	var host Host
	var at Place
	ok := false
	if whole(i.Decision.Head) {
		for _, host = range w.hosts {
			if at, ok = host.Place(i.Change, i.Decision.Head); ok {
				break
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, known := w.at[i.Change]; known && (!ok || before != at) {
		w.leave(i.Change, before)
	}
	if !ok {
		return
	}
	j := w.jobs[at]
	if j == nil {
		j = &job{host: host, changes: make(map[record.ChangeID]string)}
		w.jobs[at] = j
	}
	w.at[i.Change], j.changes[i.Change] = at, i.Decision.Digest()
	if !j.shown.known || j.answered[i.Change] != j.changes[i.Change] {
		w.put(at, j)
	}
}

// Ended forgets a change.
func (w *Worker) Ended(id record.ChangeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, known := w.at[id]; known {
		w.leave(id, at)
	}
}

// leave takes a change from its place. The caller holds mu.
func (w *Worker) leave(id record.ChangeID, at Place) {
	delete(w.at, id)
	j := w.jobs[at]
	if delete(j.changes, id); len(j.changes) > 0 {
		w.put(at, j) // what the others need may be less
	} else if !j.busy {
		delete(w.jobs, at)
	}
}

// put puts a place into the queue. The caller holds mu.
func (w *Worker) put(at Place, j *job) {
	switch {
	case j.busy:
		j.again = true
		return
	case !j.queued:
		j.queued = true
		w.queue = append(w.queue, at)
	}
	select {
	case w.wake <- struct{}{}:
	default: // it has an element
	}
}

// lookAtAll puts all places into the queue, and forgets what their hosts show.
func (w *Worker) lookAtAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, j := range w.jobs {
		j.shown.known = false
		w.put(at, j)
	}
}

// later puts a place into the queue after a while. look says that the host must be asked then what it
// shows.
func (w *Worker) later(ctx context.Context, at Place, after time.Duration, look bool) {
	time.AfterFunc(after, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		j := w.jobs[at]
		if j == nil || ctx.Err() != nil { // the next turn begins with all of them
			return
		}
		if look {
			j.shown.known = false
		}
		w.put(at, j)
	})
}

// Run lets the hosts show what the gate answers, until ctx is done: it is this process's turn. What
// the hosts show at the beginning is looked up, also what another process posted. still fails if the
// turn may have ended.
func (w *Worker) Run(ctx context.Context, still func(context.Context) error) {
	w.lookAtAll()
	again := time.AfterFunc(w.times.lookAgain, w.lookAtAll)
	defer again.Stop()
	var wait sync.WaitGroup
	wait.Go(func() { w.probe(ctx) })
	for range atOnce {
		wait.Go(func() {
			for at, ok := w.take(ctx); ok; at, ok = w.take(ctx) {
				w.do(ctx, at, still)
			}
		})
	}
	wait.Wait()
	if errors.Is(context.Cause(ctx), stream.ErrLost) {
		w.doubt(context.WithoutCancel(ctx))
	}
}

// take takes a place from the queue, which it waits for. ok is false when ctx is done.
func (w *Worker) take(ctx context.Context) (at Place, ok bool) {
	for ctx.Err() == nil {
		if at, ok = w.first(); ok {
			return at, true
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
		}
	}
	return at, false
}

func (w *Worker) first() (at Place, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 {
		at = w.queue[0]
		w.queue = w.queue[1:]
		j := w.jobs[at]
		if j == nil || !j.queued || j.busy {
			continue
		}
		j.queued, j.busy, j.again = false, true, false
		if len(w.queue) > 0 { // for another goroutine
			select {
			case w.wake <- struct{}{}:
			default:
			}
		}
		return at, true
	}
	return at, false
}

// do lets a host show the gate's answer at a place.
func (w *Worker) do(ctx context.Context, at Place, still func(context.Context) error) {
	w.mu.Lock()
	j := w.jobs[at]
	t := task{w: w, at: at, host: j.host, shown: j.shown, still: still}
	for id := range j.changes {
		t.changes = append(t.changes, id)
	}
	w.mu.Unlock()
	slices.Sort(t.changes)
	err := t.run(ctx)
	pause := w.finish(at, j, t, err)
	switch {
	case ctx.Err() != nil || pause < 0:
	case err != nil:
		w.log.Warn("a status is not up to date; trying again", "repository", at.Repository, "changes", t.changes, "commit", at.Commit, "host", j.host.Name(), "after", pause.Round(time.Millisecond), "err", err)
		w.later(ctx, at, pause, false)
	case t.shown.risky:
		w.later(ctx, at, w.times.lookAgain, true)
	}
}

// finish notes what a task did. It returns how long to wait before the next one after a failure;
// negative if there is none.
func (w *Worker) finish(at Place, j *job, t task, err error) (pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		j.tries++
		j.again = false // the next try is after a pause
		if w.end(at, j, t); len(j.changes) == 0 {
			return -1
		}
		return w.pauseAfter(err, j.tries)
	}
	j.tries = 0
	w.end(at, j, t)
	return 0
}

// end ends the work on a place: it is done again if something differs meanwhile, and forgotten if no
// change is there. The caller holds mu.
func (w *Worker) end(at Place, j *job, t task) {
	j.busy, j.shown, j.answered = false, t.shown, t.answered
	switch {
	case len(j.changes) == 0:
		delete(w.jobs, at)
	case j.again:
		w.put(at, j)
	}
}

// pauseAfter returns how long a place waits after a failure: twice as long after each, or as long as
// the host asks for.
func (w *Worker) pauseAfter(err error, tries int) time.Duration {
	pause := min(w.times.retry<<min(tries-1, 20), w.times.mostRetry)
	pause += time.Duration(rand.Int64N(int64(pause)/4 + 1))
	var l *LaterError
	if errors.As(err, &l) {
		pause = max(pause, time.Until(l.At))
	}
	return pause
}

// probe asks the gate again and again about a change whose host shows success. If the gate cannot
// tell twice in a row, nothing that hosts show is certain.
func (w *Worker) probe(ctx context.Context) {
	for failed := 0; ; {
		select {
		case <-time.After(w.times.probe):
		case <-ctx.Done():
			return
		}
		id, ok := w.allowed()
		if !ok {
			failed = 0
			continue
		}
		if _, err := w.ask(ctx, id); err == nil {
			failed = 0
		} else if failed++; failed >= 2 && ctx.Err() == nil {
			w.doubt(ctx)
		}
	}
}

// allowed returns a change whose host shows success.
func (w *Worker) allowed() (record.ChangeID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, at := range w.at {
		if j := w.jobs[at]; j.shown.known && j.shown.status.State == Success {
			return id, true
		}
	}
	return "", false
}

func (w *Worker) ask(ctx context.Context, id record.ChangeID) (gate.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, w.times.ask)
	defer cancel()
	return w.asker.Ask(ctx, gate.Question{Change: id})
}

// doubt lets every host that may show success show that the gate cannot tell. It posts although it
// may be another process's turn: that one looks again at what the hosts show.
func (w *Worker) doubt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.times.doubt)
	defer cancel()
	w.mu.Lock()
	var tasks []*task
	for at, j := range w.jobs {
		if !j.busy && (!j.shown.known || j.shown.status.State == Success) {
			j.busy = true
			tasks = append(tasks, &task{w: w, at: at, host: j.host, shown: j.shown})
		}
	}
	w.mu.Unlock()
	if len(tasks) == 0 {
		return
	}
	w.log.Warn("the gate cannot tell; statuses that may say that a change may be merged are replaced", "statuses", len(tasks))
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, t := range tasks {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := t.doubt(ctx); err != nil {
				w.log.Error("a status may say that a change may be merged, and cannot be replaced", "repository", t.at.Repository, "commit", t.at.Commit, "host", t.host.Name(), "err", err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			j := w.jobs[t.at] // busy jobs stay
			j.again = true
			w.end(t.at, j, *t)
		})
	}
	wait.Wait()
}
