package local

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/schemas"
)

// keepHealth is how long statements about the pipeline are kept: one machine has no place for more.
const keepHealth = 7 * 24 * time.Hour

// dropHealth deletes statements about the pipeline that are older than keepHealth.
func (w *writer) dropHealth(newest time.Time) error {
	_, err := w.tx.ExecContext(w.ctx, "DELETE FROM documents WHERE name >= 'changetrail-health-' AND name < 'changetrail-health.' AND at < ?", newest.Add(-keepHealth).UnixMilli())
	return err
}

// arrivals remembers on which days events of each source arrived.
type arrivals struct {
	reading sync.Mutex // held while what was stored before is read
	known   bool       // it was read

	mu   sync.Mutex
	last map[arrivalDay]time.Time
}

type arrivalDay struct {
	source string
	day    time.Time
}

func (a *arrivals) note(source string, at time.Time) {
	at = at.UTC()
	key := arrivalDay{source, at.Truncate(24 * time.Hour)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = make(map[arrivalDay]time.Time)
	}
	if at.After(a.last[key]) {
		a.last[key] = at
	}
}

// Heard returns on which days events of each source arrived, from a time on. The first call reads all
// events; then Put notes what arrives.
func (x *Index) Heard(ctx context.Context, _ string, since time.Time) (out []schemas.Heard, err error) {
	if err := x.knowArrivals(ctx); err != nil {
		return nil, err
	}
	x.arrivals.mu.Lock()
	defer x.arrivals.mu.Unlock()
	for key, last := range x.arrivals.last {
		switch {
		case last.Before(since):
			delete(x.arrivals.last, key)
		case key.source != "":
			out = append(out, schemas.Heard{Source: key.source, Day: key.day, Last: last})
		}
	}
	return out, nil
}

// knowArrivals notes the events that were stored before the index was opened.
func (x *Index) knowArrivals(ctx context.Context) error {
	x.arrivals.reading.Lock()
	defer x.arrivals.reading.Unlock()
	if x.arrivals.known {
		return nil
	}
	err := x.each(ctx, func(rows *sql.Rows) error {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		var h head
		if err := json.Unmarshal(doc, &h); err != nil {
			return err
		}
		x.arrivals.note(h.Event.Provider, h.Event.Created)
		return nil
	}, "SELECT doc FROM documents WHERE name >= 'logs-' AND name < 'logs.'")
	x.arrivals.known = err == nil
	return err
}
