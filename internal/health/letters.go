package health

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// maxLetters is how many dead letters are written at a time.
const maxLetters = 500

// followLetters writes a document for each dead letter. Offsets are committed once the documents are
// stored; a letter that is read again has the same id.
func (r *reporter) followLetters(ctx context.Context, reader *stream.Reader) error {
	for ctx.Err() == nil {
		batch, err := reader.Poll(ctx, maxLetters)
		reader.AllowRebalance()
		if err != nil {
			r.Log.Warn("dead letters could not be read; it is tried again", "err", err)
			pause(ctx)
		}
		var docs []document
		for _, l := range batch.Records {
			if !stream.IsMarker(l) {
				docs = append(docs, letter(l))
			}
		}
		for err = r.put(ctx, docs); err != nil && ctx.Err() == nil; err = r.put(ctx, docs) {
			r.Log.Warn("dead letters are not in the index yet; it is tried again", "letters", len(docs), "err", err)
			pause(ctx)
		}
		if err != nil {
			break // they are read again after the next start
		}
		if err := reader.Commit(ctx, batch.Records); err != nil && ctx.Err() == nil {
			r.Log.Warn("offsets of dead letters could not be committed; if this lasts, they are written again, which is harmless", "err", err)
		}
	}
	return nil
}

// pause waits before something is tried again.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// letter describes a dead letter, without the message itself.
func letter(l *stream.Record) document {
	header := func(name string) string { return string(stream.LastHeader(l, name)) }
	number := func(name string) *int64 {
		n, err := strconv.ParseInt(header(name), 10, 64)
		if err != nil {
			return nil
		}
		return &n
	}
	at, err := time.Parse(time.RFC3339Nano, header(stream.HeaderAt))
	if err != nil {
		at = l.Timestamp
	}
	facts := schemas.HealthFacts{
		Kind: schemas.HealthLetter, Status: schemas.HealthRefused, Name: header(stream.HeaderReason), Detail: header(stream.HeaderDetail), Stage: header(stream.HeaderStage),
		Topic: header(stream.HeaderTopic), Partition: number(stream.HeaderPartition), Offset: number(stream.HeaderOffset),
	}
	d := about(at, fmt.Sprintf("%s refused a message: %s", facts.Stage, facts.Name), facts)
	d.id = []string{facts.Kind, l.Topic, strconv.Itoa(int(l.Partition)), strconv.FormatInt(l.Offset, 10)}
	return d
}
