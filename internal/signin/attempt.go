package signin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/changetrail/changetrail/internal/problem"
)

const (
	attemptTime = 10 * time.Minute // to sign in at the provider
	maxReturn   = 2000             // bytes of the address to return to: a cookie has at most 4096
	maxUsed     = 100_000          // attempts of attemptTime that reached the end; it bounds memory
)

// An attempt is one try to sign in. It travels in a sealed cookie, so that starting attempts takes
// no memory here, and only the browser that started one can end it.
type attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE
	To       string    `json:"to"`       // where the person wanted to go
	Until    time.Time `json:"until"`
}

// attempts seals attempts, and lets each end once.
type attempts struct {
	aead   cipher.AEAD
	secure bool // the cookie is for TLS alone
	now    func() time.Time

	mu   sync.Mutex
	used map[[sha256.Size]byte]time.Time // states that came back, with the end of their attempt
}

func newAttempts(secure bool, now func() time.Time) (*attempts, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &attempts{aead: aead, secure: secure, now: now, used: make(map[[sha256.Size]byte]time.Time)}, err
}

// cookie is the name of the attempt's cookie. Over TLS no other host can set it.
func (a *attempts) cookie() string {
	if a.secure {
		return "__Host-changetrail-sign-in"
	}
	return "changetrail-sign-in"
}

func (a *attempts) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- Secure whenever there is TLS; a browser does not keep such a cookie over plain HTTP
		Name: a.cookie(), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode, // the provider leads the browser back here
	})
}

// begin starts an attempt.
func (a *attempts) begin(w http.ResponseWriter, to string) (attempt, error) {
	if len(to) > maxReturn {
		to = "/"
	}
	t := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: to, Until: a.now().Add(attemptTime)}
	text, err := json.Marshal(t)
	if err != nil {
		return t, err
	}
	a.setCookie(w, base64.RawURLEncoding.EncodeToString(a.aead.Seal(nil, nil, text, []byte(a.cookie()))), int(attemptTime.Seconds()))
	return t, nil
}

// end returns the attempt of a browser that comes back with a state, once.
func (a *attempts) end(w http.ResponseWriter, r *http.Request, state string) (attempt, error) {
	var t attempt
	c, err := r.Cookie(a.cookie())
	if err != nil {
		return t, problem.New(http.StatusBadRequest, "This browser did not begin this sign-in, or it did so more than %d minutes ago. Sign in again.", int(attemptTime.Minutes()))
	}
	a.setCookie(w, "", -1)
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return t, errAttempt()
	}
	text, err := a.aead.Open(nil, nil, sealed, []byte(a.cookie()))
	if err != nil {
		return t, errAttempt()
	}
	if err := json.Unmarshal(text, &t); err != nil || a.now().After(t.Until) || subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) != 1 {
		return attempt{}, errAttempt()
	}
	return t, a.use(t)
}

// use refuses an attempt that ended before.
func (a *attempts) use(t attempt) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := sha256.Sum256([]byte(t.State))
	if _, before := a.used[id]; before {
		return errAttempt()
	}
	if len(a.used) >= maxUsed {
		now := a.now()
		for id, until := range a.used {
			if now.After(until) {
				delete(a.used, id)
			}
		}
	}
	if len(a.used) >= maxUsed { // a flood; refusing all would lock people out, and the provider takes each code once as well
		clear(a.used)
	}
	a.used[id] = t.Until
	return nil
}

func errAttempt() error {
	return problem.New(http.StatusBadRequest, "This sign-in was used already, took more than %d minutes, or another one began in this browser meanwhile. Sign in again.", int(attemptTime.Minutes()))
}
