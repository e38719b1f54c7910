package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/config"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/standalone"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/sinks/bulk"
	"github.com/changetrail/changetrail/sinks/local"
	"github.com/changetrail/changetrail/web"
)

// A store is an index with the files beside it.
type store struct {
	web.Index
	files blobs.Getter // nil if none is configured
	name  string
	at    place
	close func()
}

func (a *app) storeFlags(cmd *cobra.Command) {
	a.flag(cmd.Flags(), "store", "store", "where the records are: a folder of the embedded mode, opensearch or elasticsearch")
	a.engineFlags(cmd.Flags())
	a.flag(cmd.Flags(), "blobs", "blobs", "where files are stored: a folder, or a URL such as s3://bucket")
}

// openStore opens the index that commands read, and the files beside it.
func (s *Settings) openStore(ctx context.Context) (*store, error) {
	at, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	files, err := s.blobStore(ctx)
	if err != nil {
		return nil, usageError{err}
	}
	if at.engine != "" {
		s.Sink.Engine = at.engine
		engine, err := s.engine()
		if err != nil {
			return nil, err
		}
		out := &store{Index: engine, name: at.engine, at: at, close: func() {}}
		if files != nil {
			out.files, out.close = files, func() { _ = files.Close() }
		}
		return out, nil
	}
	folder := at.instance.Data
	if err := inFolder(at.short(), local.FileName); err != nil {
		return nil, err
	}
	x, err := local.Open(ctx, folder, false)
	if err != nil {
		return nil, err
	}
	if files == nil {
		s.Blobs = standalone.BlobDir(folder)
		if files, err = s.blobStore(ctx); err != nil {
			return nil, errors.Join(err, x.Close())
		}
	}
	return &store{Index: x, files: files, name: "embedded, " + at.short(), at: at, close: func() {
		_ = files.Close()
		_ = x.Close()
	}}, nil
}

// openFor opens the store that a command reads, and prints which one it is if the user did not
// name it.
func (s *Settings) openFor(cmd *cobra.Command) (*store, error) {
	x, err := s.openStore(cmd.Context())
	if err == nil && !x.at.given {
		fmt.Fprintf(cmd.ErrOrStderr(), "reading %s\n", config.Shown(x.at.String()))
	}
	return x, err
}

// mayReadFile returns a function that reports whether a change that a reader may see rests on a
// file; nil if no store is set.
func (s *Settings) mayReadFile() func(context.Context, string, identity.Principal) (bool, error) {
	if s.Store == "" {
		return nil
	}
	return func(ctx context.Context, digest string, who identity.Principal) (bool, error) {
		x, err := s.openStore(ctx)
		if err != nil {
			return false, err
		}
		defer x.close()
		return web.MayReadFile(ctx, x, digest, who)
	}
}

var _ web.Index = (*bulk.Server)(nil)

// changeIn parses the name of a change and opens the store to find it.
func (a *app) changeIn(cmd *cobra.Command, name string) (record.ChangeID, *store, error) {
	id, err := record.ParseChange(name)
	if err != nil {
		return "", nil, usageError{err}
	}
	s, err := a.settings(cmd)
	if err != nil {
		return "", nil, err
	}
	x, err := s.openFor(cmd)
	return id, x, err
}

// savedQueries returns the built-in queries, one for each framework and control of the matrix, and
// those of the file that the setting queries names.
func (s *Settings) savedQueries() ([]query.Saved, error) {
	saved, err := query.BuiltIn()
	if err != nil {
		return nil, err
	}
	matrix, err := s.matrix()
	if err != nil {
		return nil, err
	}
	saved = append(saved, query.OfControls(matrix.Resolved())...)
	if s.Queries == "" {
		return saved, nil
	}
	text, err := os.ReadFile(s.Queries)
	if err != nil {
		return nil, usageError{fmt.Errorf("queries: %w", err)}
	}
	own, err := query.ParseSaved(text)
	if err != nil {
		return nil, usageError{mistake.In(s.Queries, err)}
	}
	for _, q := range own { // they may replace built-in ones
		saved = slices.DeleteFunc(saved, func(o query.Saved) bool { return o.Name == q.Name })
	}
	return append(own, saved...), nil
}
