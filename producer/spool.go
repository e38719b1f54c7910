package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/gofrs/flock"

	"github.com/changetrail/changetrail/internal/files"
)

// A spool keeps events on disk until they are sent. Each event is a file with the CloudEvent in
// structured mode; the order of the file names is the order in which the events were accepted. A
// file appears under its name complete or not at all, so there is nothing to repair after a crash.
// Several processes may add events; only the one that holds the lock sends.
type spool struct {
	dir       string
	max       int64
	transport Transport
	log       *slog.Logger
	lock      *flock.Flock

	mu      sync.Mutex // orders the names that this process gives
	last    int64
	refused map[string]time.Time // events that are not accepted from this sender, and when to try them again
	size    atomic.Int64         // bytes that this process knows of
	wake    chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
}

const (
	suffix   = ".json"
	rejected = "rejected" // folder of events that can never be sent
	perSend  = 200
	// refusedPause is how long to wait before sending a refused event again: somebody has to act
	// first.
	refusedPause = 5 * time.Minute
)

func openSpool(dir string, limit int64, t Transport, log *slog.Logger) (*spool, error) {
	if limit == 0 {
		limit = 1 << 30
	}
	if err := os.MkdirAll(filepath.Join(dir, rejected), 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	others, err := files.PrivateIfOurs(dir, func(name string) bool {
		return name == rejected || name == "lock" || strings.HasSuffix(name, suffix) || strings.HasSuffix(name, suffix+".part")
	})
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if others { // nobody else can read the events themselves
		log.Warn("other users of this machine can list the folder of the spool; it also contains other files, so its permissions are not changed", "dir", dir)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &spool{
		dir: dir, max: limit, transport: t, log: log, lock: flock.New(filepath.Join(dir, "lock")),
		refused: make(map[string]time.Time), wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	names, err := s.list()
	if err != nil {
		stop()
		return nil, err
	}
	for _, n := range names {
		if info, err := os.Stat(filepath.Join(dir, n)); err == nil {
			s.size.Add(info.Size())
		}
	}
	go s.run(ctx)
	return s, nil
}

// list returns the events that wait, in order.
func (s *spool) list() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, cmp.Compare)
	return names, nil
}

func (s *spool) count() int {
	names, _ := s.list()
	return len(names)
}

// next returns the events to send now, in order.
func (s *spool) next() ([]string, error) {
	names, err := s.list()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	return slices.DeleteFunc(names, func(n string) bool { return now.Before(s.refused[n]) }), err
}

// empty reports whether no event waits to be sent now. While one does, later events must wait
// behind it.
func (s *spool) empty() bool {
	names, _ := s.next()
	return len(names) == 0
}

// add returns once events are safe on disk.
func (s *spool) add(events []event.Event) error {
	for _, e := range events {
		if err := s.addOne(e); err != nil {
			return fmt.Errorf("publish %s %s: spool: %w", e.Type(), e.ID(), err)
		}
	}
	if err := syncDir(s.dir); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *spool) addOne(e event.Event) error {
	text, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	if s.size.Add(int64(len(text))) > s.max {
		s.size.Add(-int64(len(text)))
		return fmt.Errorf("the spool is full: %d bytes wait in %s; find out why they cannot be sent, or raise its limit", s.max, s.dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := max(time.Now().UnixNano(), s.last+1)
	s.last = now
	name := filepath.Join(s.dir, fmt.Sprintf("%019d-%07d%s", now, os.Getpid(), suffix))
	f, err := os.OpenFile(name+".part", os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name+".part"))
	}
	return os.Rename(name+".part", name)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// run sends waiting events whenever one is added, and at intervals.
func (s *spool) run(ctx context.Context) {
	defer close(s.done)
	pause := 200 * time.Millisecond
	for {
		left, err := s.drain(ctx)
		wait := 5 * time.Second // another process may have added
		if left {
			if err != nil {
				s.log.Warn("spooled events cannot be sent yet", "err", err, "pause", pause)
			}
			wait, pause = pause, min(2*pause, 10*time.Second)
		} else {
			pause = 200 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		case <-s.wake:
			if left { // the receiver is unreachable: do not hammer it
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
		}
	}
}

// drain sends the waiting events in order until none is left or one cannot be sent. It reports
// whether some are left.
func (s *spool) drain(ctx context.Context) (left bool, err error) {
	names, err := s.next()
	if err != nil || len(names) == 0 {
		return false, err
	}
	if ok, err := s.lock.TryLock(); !ok || err != nil {
		return true, err // another process is sending
	}
	defer func() { err = errors.Join(err, s.lock.Unlock()) }()
	for {
		if names, err = s.next(); err != nil || len(names) == 0 {
			return false, err
		}
		if err := s.send(ctx, names[:min(len(names), perSend)]); err != nil {
			return true, err
		}
	}
}

// send sends the events of some files and removes those that arrived.
func (s *spool) send(ctx context.Context, names []string) error {
	var events []event.Event
	var files []string
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		var e event.Event
		if err := e.UnmarshalJSON(text); err != nil {
			if err := s.reject(name, err); err != nil {
				return err
			}
			continue
		}
		events, files = append(events, e), append(files, name)
	}
	if len(events) == 0 {
		return nil
	}
	try, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var first error
	for i, err := range s.transport.Send(try, events) {
		switch {
		case errors.Is(err, ErrPermanent):
			err = s.reject(files[i], err)
		case errors.Is(err, ErrRefused):
			err = s.refuse(files[i], err)
		case err == nil:
			err = s.remove(files[i])
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (s *spool) remove(name string) error {
	s.mu.Lock()
	delete(s.refused, name)
	s.mu.Unlock()
	path := filepath.Join(s.dir, name)
	if info, err := os.Stat(path); err == nil {
		s.size.Add(-info.Size())
	}
	return os.Remove(path)
}

// reject sets aside an event that would block the others for ever.
func (s *spool) reject(name string, cause error) error {
	s.log.Error("a spooled event can never be sent; it is set aside", "file", filepath.Join(s.dir, rejected, name), "err", cause)
	return os.Rename(filepath.Join(s.dir, name), filepath.Join(s.dir, rejected, name))
}

// refuse lets an event wait that would otherwise block others until somebody acts.
func (s *spool) refuse(name string, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, said := s.refused[name]; !said {
		s.log.Error("a spooled event is not accepted from this sender; it is kept, and others are sent first", "file", filepath.Join(s.dir, name), "tried again in", refusedPause, "err", cause)
	}
	s.refused[name] = time.Now().Add(refusedPause)
	return nil
}

// close stops the background work and sends waiting events while ctx allows.
func (s *spool) close(ctx context.Context) error {
	s.stop()
	<-s.done
	left, err := s.drain(ctx)
	if n := s.count(); left || n > 0 {
		return fmt.Errorf("producer: %d events stay in the spool %s and are sent by the next process: %w", n, s.dir, cmp.Or(err, ErrRefused))
	}
	return err
}
