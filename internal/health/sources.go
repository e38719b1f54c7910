package health

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/changetrail/changetrail/schemas"
)

const (
	day = 24 * time.Hour
	// window is how long a source is reported after its newest event, and how long before that event it is
	// looked at for how often it sends.
	window = 30 * day
	// enough is on how many days a source must be heard before anybody can say how often it sends.
	enough = 3
	// maxSources is how many sources are reported: senders choose their names.
	maxSources = 1000
)

// A source is what is known of one source of events.
type source struct {
	name    string
	last    time.Time   // arrival of its newest event
	days    []time.Time // on which it was heard, ascending, within a window before the last one
	longest time.Duration
}

// A moment is when sources are looked at.
type moment struct {
	now   time.Time
	at    time.Time // start of the interval
	known time.Time // up to when the index knows what arrived; now if it is not behind
}

// newest returns when the newest event arrived that is in the index.
func newest(heard []schemas.Heard, now time.Time) (out time.Time) {
	for _, h := range heard {
		if h.Last.After(out) && !h.Last.After(now) {
			out = h.Last
		}
	}
	return out
}

// behind reports whether the index lacks what arrived long enough ago to matter.
func (m moment) behind() bool { return m.known.Before(m.now.Add(-time.Hour)) }

// sources returns a document for each source, and one for each silence.
func (m moment) sources(heard []schemas.Heard, err error) (out []document) {
	if err != nil {
		return []document{about(m.at, fmt.Sprintf("it could not be found out when each source was last heard: %v", err), schemas.HealthFacts{Kind: schemas.HealthSource, Status: schemas.HealthUnknown, Error: err.Error()})}
	}
	sources := summarize(heard, m.now)
	if n := len(sources); n > maxSources {
		what := fmt.Sprintf("%d sources were heard; only the %d that were heard on the most days are reported", n, maxSources)
		out = append(out, about(m.at, what, schemas.HealthFacts{Kind: schemas.HealthSource, Status: schemas.HealthUnknown, Error: what}))
		sources = sources[:maxSources]
	}
	for _, s := range sources {
		out = append(out, m.documents(&s)...)
	}
	return out
}

// A Source is how a source of events does at a time.
type Source struct {
	Name    string
	Last    time.Time     // arrival of its newest event
	Days    int           // on which it was heard, of the 30 before the newest event
	Longest time.Duration // from a day on which it was heard to the next such day
	Known   bool          // it was heard on enough days to know how often it sends
	Silent  bool          // for longer than ever before
}

// Sources returns how the sources do that were heard within 30 days before a time, those that were
// heard on the most days first.
func Sources(heard []schemas.Heard, now time.Time) []Source {
	var out []Source
	for _, s := range summarize(heard, now) {
		since, known := s.silentSince()
		out = append(out, Source{s.name, s.last.UTC(), len(s.days), s.longest, known, known && !now.Before(since)})
	}
	return out
}

// summarize returns the sources that were heard in the window before now, those that were heard on the most
// days first.
func summarize(heard []schemas.Heard, now time.Time) (out []source) {
	of := make(map[string]*source)
	for _, h := range heard {
		if h.Day.After(now) { // an import may state any arrival
			continue
		}
		s := of[h.Source]
		if s == nil {
			s = &source{name: h.Source}
			of[h.Source] = s
		}
		s.days = append(s.days, h.Day.UTC().Truncate(day))
		if h.Last.After(s.last) {
			s.last = h.Last
		}
	}
	for _, s := range of {
		if s.last.Before(now.Add(-window)) {
			continue
		}
		slices.SortFunc(s.days, time.Time.Compare)
		s.days = slices.Compact(s.days)
		newest := s.days[len(s.days)-1]
		s.days = slices.DeleteFunc(s.days, func(d time.Time) bool { return d.Before(newest.Add(-window)) })
		for i := 1; i < len(s.days); i++ {
			s.longest = max(s.longest, s.days[i].Sub(s.days[i-1]))
		}
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b source) int {
		return cmp.Or(cmp.Compare(len(b.days), len(a.days)), cmp.Compare(a.name, b.name))
	})
	return out
}

// silentSince returns when the silence of s began to be longer than any before it. It is false for a
// source that was heard on too few days.
func (s *source) silentSince() (time.Time, bool) {
	if len(s.days) < enough {
		return time.Time{}, false
	}
	return s.days[len(s.days)-1].Add(s.longest + day), true
}

// documents returns how a source does and, if it fell silent, the one document about that.
func (m moment) documents(s *source) []document {
	hours, days, longest := int64(max(0, m.now.Sub(s.last))/time.Hour), int64(len(s.days)), int64(s.longest/day)
	facts := schemas.HealthFacts{Kind: schemas.HealthSource, Status: schemas.HealthOK, Name: s.name, LastAt: s.last.UTC(), SilentHours: &hours, Days: &days}
	since, known := s.silentSince()
	switch {
	case !known:
		facts.Status = schemas.HealthUnknown
		return []document{about(m.at, fmt.Sprintf("%s: its newest event arrived %d hours ago; it was heard on too few days (%d) to know how often it sends", s.name, hours, days), facts)}
	case m.behind():
		facts.Status = schemas.HealthUnknown
		return []document{about(m.at, fmt.Sprintf("%s: its newest event in the index arrived %d hours ago; the index is behind, so later ones may have arrived", s.name, hours), facts)}
	case m.now.Before(since):
		facts.LongestDays = &longest
		return []document{about(m.at, fmt.Sprintf("%s: its newest event arrived %d hours ago", s.name, hours), facts)}
	}
	facts.Status, facts.LongestDays = schemas.HealthSilent, &longest
	measured := about(m.at, fmt.Sprintf("%s is silent: its newest event arrived %d hours ago; the longest time from one day with events to the next was %d days", s.name, hours, longest), facts)
	facts.Kind, facts.SilentHours = schemas.HealthSilence, nil
	silence := about(since, fmt.Sprintf("%s fell silent: its newest event arrived at %s; before, the longest time from one day with events to the next was %d days", s.name, s.last.UTC().Format(time.RFC3339), longest), facts)
	silence.id = []string{facts.Kind, s.name, facts.LastAt.Format(time.RFC3339Nano)}
	return []document{measured, silence}
}
