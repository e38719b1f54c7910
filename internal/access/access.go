package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
)

// A Config says who may read.
type Config struct {
	// Credentials are those of the readers. If nil, readers need no credential; if it lists none,
	// nobody may read.
	Credentials *identity.Credentials
	Hosts       []string // other host names than this machine's that requests may use if readers need no credential
	Secure      bool     // browsers reach it over TLS
	Log         *slog.Logger
}

// A Door checks requests before they are answered.
type Door struct {
	Config
	sessions *identity.Sessions
}

// New returns a Door.
func New(c Config) *Door {
	d := &Door{Config: c}
	if c.Credentials != nil {
		d.sessions = identity.NewSessions(c.Credentials)
	}
	return d
}

// Asks reports whether readers need a credential.
func (d *Door) Asks() bool { return d.Credentials != nil }

// A Reader is a person or program that reads. The zero Reader may read nothing.
type Reader struct {
	identity.Principal
	anybody bool // readers need no credential
}

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
func (d *Door) ReaderOf(who identity.Principal) Reader { return Reader{who, !d.Asks()} }

// Identify returns who sent a request: by token, client certificate or session.
func (d *Door) Identify(r *http.Request) (Reader, error) {
	if !d.Asks() {
		return Reader{anybody: true}, nil
	}
	who, err := d.Credentials.Authenticate(r)
	if errors.Is(err, identity.ErrNone) {
		if session := d.session(r); session != "" {
			who, err = d.sessions.Of(session)
		}
	}
	if err != nil {
		return Reader{}, problem.New(http.StatusUnauthorized, "%v", err)
	}
	return Reader{Principal: who}, nil
}

type readerKey struct{}

// With returns a request whose context contains the reader.
func (r Reader) With(req *http.Request) *http.Request {
	return req.WithContext(context.WithValue(req.Context(), readerKey{}, r))
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
