package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SessionLength is how long a session lasts.
const SessionLength = 12 * time.Hour

// ErrSession reports a session that has ended, or never existed.
var ErrSession = errors.New("the session has ended; sign in again")

// Sessions let a browser prove who reads without keeping the token: the cookie is signed with a key
// that exists only as long as the process. A session ends with its token: when that is removed,
// replaced or expires.
type Sessions struct {
	credentials *Credentials
	key         [32]byte

	mu    sync.Mutex
	ended map[string]time.Time // sessions that ended early, with their original end
}

// NewSessions returns sessions for the owners of the tokens in c.
func NewSessions(c *Credentials) *Sessions {
	s := &Sessions{credentials: c, ended: make(map[string]time.Time)}
	_, _ = rand.Read(s.key[:]) // never fails
	return s
}

// Begin returns a new session for the owner of a token, a person or a platform. Tokens of OIDC
// issuers belong to jobs, which need no session.
func (s *Sessions) Begin(value string) (session string, who Principal, err error) {
	who, err = s.credentials.byToken(value)
	if err != nil {
		return "", who, err
	}
	if who.Agent != "" {
		return "", Principal{}, fmt.Errorf("the token %s belongs to an agent: agents send it with each request; sign in with the token of a person or a platform", who.Name)
	}
	until := s.credentials.now().Add(SessionLength).Unix()
	body := base64.RawURLEncoding.EncodeToString([]byte(who.Name)) + "." + strconv.FormatInt(until, 10) + "." + rand.Text()
	return body + "." + s.sign(body, sha256.Sum256([]byte(value))), who, nil
}

// Of returns the owner of a session.
func (s *Sessions) Of(session string) (Principal, error) {
	t, _, err := s.verify(session)
	return t.principal(), err
}

// End ends a session early.
func (s *Sessions) End(session string) {
	_, until, err := s.verify(session)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, t := range s.ended {
		if s.credentials.now().After(t) {
			delete(s.ended, old)
		}
	}
	s.ended[session] = until
}

// verify returns the listed token with which a session was begun.
func (s *Sessions) verify(session string) (t token, until time.Time, err error) {
	parts := strings.Split(session, ".")
	if len(parts) != 4 {
		return t, until, ErrSession
	}
	name, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	seconds, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err1 != nil || err2 != nil {
		return t, until, ErrSession
	}
	t, digest, known := s.credentials.named(string(name))
	until = time.Unix(seconds, 0)
	now := s.credentials.now()
	s.mu.Lock()
	_, ended := s.ended[session]
	s.mu.Unlock()
	signed := hmac.Equal([]byte(parts[3]), []byte(s.sign(strings.Join(parts[:3], "."), digest)))
	if !known || !signed || ended || now.After(until) || !t.Expires.IsZero() && now.After(t.Expires) {
		return token{}, until, ErrSession
	}
	return t, until, nil
}

// named returns the token with a name, and its digest.
func (c *Credentials) named(name string) (t token, digest [sha256.Size]byte, ok bool) {
	for digest, t := range c.tokens {
		if t.Name == name {
			return t, digest, true
		}
	}
	return t, digest, false
}

// sign binds a session to the token with which it was begun.
func (s *Sessions) sign(body string, digest [sha256.Size]byte) string {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write(digest[:])
	mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
