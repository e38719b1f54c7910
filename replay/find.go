package replay

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Find returns the newest revision of the record of a change, by its id or by its id under another
// name of its repository. A record with that very id takes precedence. The error is [ErrNoRecord]
// if there is none.
func Find(ctx context.Context, x Index, id record.ChangeID) (jsontext.Value, *record.Record, error) {
	raw, err := x.Record(ctx, schemas.RecordID(id))
	if err != nil {
		return nil, nil, err
	}
	if raw != nil {
		r, err := decode(raw, id)
		if err != nil || !movedTo(r.Trail.Change) {
			return raw, r, err
		}
		whole, err := x.Record(ctx, schemas.RecordID(r.Trail.Change.PartOf))
		if err != nil || whole == nil {
			return raw, r, err
		}
		r, err = decode(whole, r.Trail.Change.PartOf)
		return whole, r, err
	}
	named, err := x.Named(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	found := make(map[record.ChangeID]int) // index of the newest revision of each
	var records []*record.Record
	for i, doc := range named {
		r, err := decode(doc, id)
		if err != nil {
			return nil, nil, err
		}
		records = append(records, r)
		if at, known := found[r.Trail.Change.ID]; !known || records[at].Trail.Revision < r.Trail.Revision {
			found[r.Trail.Change.ID] = i
		}
	}
	ids := slices.Sorted(maps.Keys(found))
	switch len(ids) {
	case 0:
		return nil, nil, fmt.Errorf("%w of %s: events take a second or two to arrive; check the id, and whether the enricher and the sink are running", ErrNoRecord, id)
	case 1:
		at := found[ids[0]]
		return named[at], records[at], nil
	}
	return nil, nil, fmt.Errorf("%w of %s: several repositories had this name, and the change may be one of %v; use one of these ids", ErrNoRecord, id, ids)
}

// movedTo reports whether a change is only the part of another one that was reported under another
// name of its repository: they have the same kind and number.
func movedTo(c record.Change) bool {
	_, kind, number := c.ID.Split()
	_, ofKind, ofNumber := c.PartOf.Split()
	return c.PartOf != "" && kind == ofKind && number == ofNumber
}

func decode(doc jsontext.Value, id record.ChangeID) (*record.Record, error) {
	r := new(record.Record)
	if err := json.Unmarshal(doc, r, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("the record of %s cannot be read: %w", id, err)
	}
	return r, nil
}

// parts returns the ids of the parts of a change that were reported under other names of its
// repository and have records that say so, its own id first.
func parts(ctx context.Context, x Index, c record.Change) ([]record.ChangeID, error) {
	ids := []record.ChangeID{c.ID}
	for _, id := range c.OtherIDs {
		raw, err := x.Record(ctx, schemas.RecordID(id))
		if err != nil {
			return nil, err
		}
		if raw == nil {
			continue
		}
		r, err := decode(raw, id)
		if err != nil {
			return nil, err
		}
		if movedTo(r.Trail.Change) && r.Trail.Change.PartOf == c.ID {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
