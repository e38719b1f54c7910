package masking

import (
	"context"
	"errors"

	"github.com/changetrail/changetrail/internal/archive"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/stream"
)

// Look reads all events and files, and reports each that contains a secret to Found. It must be
// called before copies are made.
func (m *Masker) Look(ctx context.Context, from archive.Source) error {
	for p := range from.Partitions {
		if _, err := from.Kafka.Partition(from.Topic, p).Scan(ctx, -1, func(recs []*stream.Record) error {
			for _, r := range recs {
				if _, err := m.Event(ctx, r); err != nil && !errors.Is(err, ErrNoKey) { // no copy is used yet
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if from.Blobs == nil {
		return nil
	}
	return from.Blobs.Each(ctx, func(digest string) error {
		file, err := from.Blobs.Get(ctx, digest)
		if err != nil {
			return err
		}
		_, err = m.File(ctx, digest, file)
		return err
	})
}

// An Index is an index of records.
type Index interface {
	All(ctx context.Context, where query.Node, f func(query.Hit) error) error
}

// LookIn searches all records of an index. They are made from events, so those with secrets are
// made again from the masked events.
func (m *Masker) LookIn(ctx context.Context, x Index, name string) error {
	return x.All(ctx, query.All{}, func(h query.Hit) error {
		_, rules, err := m.Rules.JSON(ctx, h.Doc, nil)
		if err == nil && len(rules) > 0 {
			m.found(Finding{Kind: "document", Where: name, About: h.ID, Rules: rules})
		}
		return err
	})
}
