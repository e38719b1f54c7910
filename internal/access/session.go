package access

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/changetrail/changetrail/internal/problem"
)

const (
	maxSessions = 20_000 // of all people; it bounds memory
	maxOfOne    = 20     // of one person, who has several browsers; the oldest ends
)

// errSession reports a session that has ended, or never existed.
var errSession = errors.New("the session has ended; sign in again")

// A session is a browser in which somebody signed in. Only this process knows it.
type session struct {
	reader  Reader             // who signed in at a provider
	digest  *[sha256.Size]byte // of the token with which somebody signed in; nil at a provider
	idToken string             // of the provider
	began   time.Time
	used    time.Time
}

// sessions are found by the digest of their id, which is in the cookie.
type sessions struct {
	idle, length time.Duration // a session ends if it is not used, and in any case
	now          func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

// begin starts a session under a new id.
func (s *sessions) begin(n session) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.began, n.used = s.now(), s.now()
	var oldest [sha256.Size]byte
	mine := 0
	for at, old := range s.all {
		switch {
		case s.over(old):
			delete(s.all, at)
		case old.reader.Name == n.reader.Name:
			if mine++; mine == 1 || old.began.Before(s.all[oldest].began) {
				oldest = at
			}
		}
	}
	if mine >= maxOfOne {
		delete(s.all, oldest)
	}
	if len(s.all) >= maxSessions {
		return "", problem.New(http.StatusServiceUnavailable, "Too many people are signed in. Try again later.")
	}
	id = rand.Text() + rand.Text()
	n.reader.form = rand.Text()
	s.all[sha256.Sum256([]byte(id))] = &n
	return id, nil
}

func (s *sessions) over(n *session) bool {
	now := s.now()
	return now.Sub(n.used) >= s.idle || now.Sub(n.began) >= s.length
}

// of returns the session with an id, and notes that it is used.
func (s *sessions) of(id string) (session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := sha256.Sum256([]byte(id))
	n := s.all[at]
	if n == nil {
		return session{}, errSession
	}
	if s.over(n) {
		delete(s.all, at)
		return session{}, errSession
	}
	n.used = s.now()
	return *n, nil
}

// end ends the session with an id.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(id)))
}
