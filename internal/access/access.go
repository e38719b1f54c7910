package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/signin"
)

// A Config says who may read.
type Config struct {
	// Credentials are those of programs, and of people where neither Provider nor Proxy is set. If
	// nil, programs have none; if it lists none, no program may read.
	Credentials *identity.Credentials
	Provider    *signin.Provider // people sign in there
	Proxy       *signin.Proxy    // people sign in there
	Idle        time.Duration    // a session ends if it is not used for so long; an hour where 0
	Length      time.Duration    // a session ends after that in any case; 12 hours where 0
	Hosts       []string         // other host names than this machine's that requests may use if programs need no credential
	Secure      bool             // browsers reach it over TLS
	Log         *slog.Logger
}

// A Way says how people sign in.
type Way int

// The ways to sign in, of which a Door has one.
const (
	NoSignIn    Way = iota // everybody may read
	ByToken                // with a token of the credentials
	AtProvider             // at an OpenID Connect provider
	BehindProxy            // at a proxy
)

// A Door checks requests before they are answered.
type Door struct {
	Config
	sessions *sessions
	key      [sha256.Size]byte // of form tokens where there are no sessions
}

// New returns a Door.
func New(c Config) *Door {
	s := &sessions{idle: cmp.Or(c.Idle, time.Hour), length: cmp.Or(c.Length, 12*time.Hour), now: time.Now, all: make(map[[sha256.Size]byte]*session)}
	d := &Door{Config: c, sessions: s}
	_, _ = rand.Read(d.key[:]) // never fails
	return d
}

// Way returns how people sign in.
func (d *Door) Way() Way {
	switch {
	case d.Provider != nil:
		return AtProvider
	case d.Proxy != nil:
		return BehindProxy
	case d.Credentials != nil:
		return ByToken
	}
	return NoSignIn
}

// Asks reports whether readers must say who they are.
func (d *Door) Asks() bool { return d.Way() != NoSignIn }

// A Reader is a person or program that reads. The zero Reader may read nothing.
type Reader struct {
	identity.Principal
	anybody bool           // readers need not say who they are
	signed  *signin.Person // who signed in; nil for programs and owners of tokens
	form    string         // the form token; "" for those whom no browser identifies by itself
}

// Title is the name of the reader for people; "" where readers need not say who they are.
func (r Reader) Title() string {
	if r.signed != nil {
		return r.signed.Name
	}
	return r.Name
}

// Roles lists the roles of the reader who signed in, with commas between them.
func (r Reader) Roles() string {
	if r.signed == nil {
		return ""
	}
	names := make([]string, 0, len(r.signed.Roles))
	for _, role := range r.signed.Roles {
		names = append(names, string(role))
	}
	return strings.Join(names, ", ")
}

// Known reports whether the reader may read anything at all.
func (r Reader) Known() bool {
	return r.anybody || r.Name != "" && (r.signed == nil || len(r.signed.Roles) > 0)
}

// FormToken is what each form of the reader's pages repeats in the field [FormField]; "" where
// no browser identifies the reader by itself, who then has nothing to sign out of.
func (r Reader) FormToken() string { return r.form }

// ReadsAll reports whether r may read the records of every repository.
func (r Reader) ReadsAll() bool { return r.anybody || r.Principal.ReadsAll() }

// MayRead reports whether r may read the records of a repository.
func (r Reader) MayRead(repository string) bool {
	return r.anybody || r.Principal.MayRead(repository)
}

// Only returns the patterns of the repositories that r may read; none if it may read all.
func (r Reader) Only() []string {
	if r.ReadsAll() {
		return nil
	}
	return r.Repositories
}

// ReaderOf returns the reader for a principal that was already identified.
func (d *Door) ReaderOf(who identity.Principal) Reader {
	return Reader{Principal: who, anybody: !d.Asks()}
}

// Identify returns who sent a request: by token, client certificate, session or proxy. It also
// refuses requests that change something and that another site made the browser send. Somebody who
// signed in and has no role is returned with an error.
func (d *Door) Identify(r *http.Request) (Reader, error) {
	if err := fromHere(r); err != nil {
		return Reader{}, err
	}
	if !d.Asks() {
		return Reader{anybody: true}, nil
	}
	if d.Credentials != nil {
		who, err := d.Credentials.Authenticate(r)
		switch {
		case err == nil:
			return Reader{Principal: who}, nil
		case !errors.Is(err, identity.ErrNone):
			return Reader{}, problem.New(http.StatusUnauthorized, "%v", err)
		}
	}
	identify := d.bySession
	if d.Way() == BehindProxy {
		identify = d.byProxy
	}
	reader, err := identify(r)
	if err != nil {
		return Reader{}, problem.Of(err, http.StatusUnauthorized)
	}
	if err := checkForm(r, reader); err != nil {
		return reader, err
	}
	if reader.signed != nil && len(reader.signed.Roles) == 0 {
		return reader, problem.New(http.StatusForbidden, "You are signed in as %s, but you have no role here. Ask the administrators of changetrail for one.", reader.Title())
	}
	return reader, nil
}

type readerKey struct{}

// With returns a request whose context contains the reader, and the person who signed in
// (see [signin.Of]).
func (r Reader) With(req *http.Request) *http.Request {
	ctx := context.WithValue(req.Context(), readerKey{}, r)
	if r.signed != nil {
		ctx = signin.With(ctx, *r.signed)
	}
	return req.WithContext(ctx)
}

// Of returns the reader in a context; the zero Reader if there is none.
func Of(ctx context.Context) Reader {
	reader, _ := ctx.Value(readerKey{}).(Reader)
	return reader
}

// Note logs who read what: a record, a file, a list.
func (d *Door) Note(r *http.Request, kind, id string) {
	d.NoteOf(r.Context(), Of(r.Context()), kind, id)
}

// NoteOf is Note for a reader that was already identified.
func (d *Door) NoteOf(ctx context.Context, reader Reader, kind, id string) {
	d.Log.InfoContext(ctx, "read", "part", "access", "kind", kind, "id", id, "credential", reader.Name, "agent", reader.Agent, "person", reader.Person, "platform", reader.Platform)
}
