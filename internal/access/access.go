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
	// Credentials are those of whom may read; nil where nobody is asked who they are. Where
	// they list none, nobody may.
	Credentials *identity.Credentials
	Hosts       []string // by which names it may be asked where nobody is asked who they are, beside those of this machine
	Secure      bool     // browsers reach it over TLS
	Log         *slog.Logger
}

// A Door is what requests pass before they are answered.
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

// Asks reports whether readers must say who they are.
func (d *Door) Asks() bool { return d.Credentials != nil }

// A Reader is who reads. The zero Reader reads nothing.
type Reader struct {
	identity.Principal
	anybody bool // nobody is asked
}

// ReadsAll reports whether r may read what is recorded of every repository.
func (r Reader) ReadsAll() bool { return r.anybody || r.Principal.ReadsAll() }

// MayRead reports whether r may read what is recorded of a repository.
func (r Reader) MayRead(repository string) bool {
	return r.anybody || r.Principal.MayRead(repository)
}

// Only are the patterns of the repositories of which alone r may read; none where it may read
// of all.
func (r Reader) Only() []string {
	if r.ReadsAll() {
		return nil
	}
	return r.Repositories
}

// ReaderOf is the reader that a principal is, who was asked already.
func (d *Door) ReaderOf(who identity.Principal) Reader { return Reader{who, !d.Asks()} }

// Identify tells who reads: by token, client certificate or session.
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

// With returns a request with who reads.
func (r Reader) With(req *http.Request) *http.Request {
	return req.WithContext(context.WithValue(req.Context(), readerKey{}, r))
}

// Of is who reads; nobody, where that was not found out.
func Of(ctx context.Context) Reader {
	reader, _ := ctx.Value(readerKey{}).(Reader)
	return reader
}

// Note writes down who read what: a record, a file, a list.
func (d *Door) Note(r *http.Request, kind, id string) {
	d.NoteOf(r.Context(), Of(r.Context()), kind, id)
}

// NoteOf is Note for a reader who was asked already.
func (d *Door) NoteOf(ctx context.Context, reader Reader, kind, id string) {
	d.Log.InfoContext(ctx, "read", "part", "access", "kind", kind, "id", id, "credential", reader.Name, "agent", reader.Agent, "person", reader.Person, "platform", reader.Platform)
}
