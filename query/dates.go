package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A span is the time that a date covers: 2026-11 is all of November, including its last
// millisecond.
type span struct{ first, last int64 }

// Dates is the time that a date covers: 2026-11 is from the first to the last millisecond of
// November.
type Dates struct{ First, Last time.Time }

// Moment parses a date like searches do: ISO 8601 with optional parts, or date math.
func Moment(text string, now time.Time) (Dates, error) {
	s, err := parseDate(text, now)
	return Dates{time.UnixMilli(s.first).UTC(), time.UnixMilli(s.last).UTC()}, err
}

// parseDate parses a date like the engines do: ISO 8601 with optional parts, milliseconds since
// 1970, or date math such as now-90d/d or 2026-11-12||+1M.
func parseDate(s string, now time.Time) (span, error) {
	math, ok := strings.CutPrefix(s, "now")
	at := instant(now)
	if !ok {
		var base string
		var err error
		base, math, _ = strings.Cut(s, "||")
		if at, err = parseISO(base); err != nil {
			return span{}, err
		}
	}
	if math == "" {
		return at, nil
	}
	return dateMath(at, math)
}

func instant(t time.Time) span { return span{t.UnixMilli(), t.UnixMilli()} }

// layouts are those of ISO 8601, with the length of the time that each covers.
var layouts = []struct {
	layout string
	unit   byte
}{
	{"2006-01-02T15:04:05.999999999Z07:00", 0},
	{"2006-01-02T15:04:05.999999999", 0},
	{"2006-01-02T15:04:05Z07:00", 's'},
	{"2006-01-02T15:04:05", 's'},
	{"2006-01-02T15:04Z07:00", 'm'},
	{"2006-01-02T15:04", 'm'},
	{"2006-01-02T15Z07:00", 'h'},
	{"2006-01-02T15", 'h'},
	{"2006-01-02", 'd'},
	{"2006-01", 'M'},
	{"2006", 'y'},
}

func parseISO(s string) (span, error) {
	fraction := strings.Contains(s, ".")
	for _, l := range layouts {
		if fraction != (l.unit == 0) {
			continue
		}
		if t, err := time.Parse(l.layout, s); err == nil {
			if l.unit == 0 {
				return instant(t), nil
			}
			return span{t.UnixMilli(), step(t, l.unit, 1).UnixMilli() - 1}, nil
		}
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 4 {
		return span{ms, ms}, nil
	}
	return span{}, fmt.Errorf("%q is not a date; write it as 2026-11-12, 2026-11-12T03:47:00Z or now-90d", s)
}

// dateMath adds steps such as +1d and -2h, and rounds down to a unit with /d: then the span is that
// whole unit.
func dateMath(at span, math string) (span, error) {
	t := time.UnixMilli(at.first).UTC()
	for rest := math; rest != ""; {
		op := rest[0]
		rest = rest[1:]
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n := 1
		if digits > 0 {
			var err error
			if n, err = strconv.Atoi(rest[:digits]); err != nil || n > 1e6 {
				return span{}, fmt.Errorf("date math %q: %s is too large", math, rest[:digits])
			}
		}
		if digits == len(rest) || !strings.ContainsRune("yMwdhHms", rune(rest[digits])) || !strings.ContainsRune("+-/", rune(op)) || op == '/' && digits > 0 {
			return span{}, fmt.Errorf("date math %q: write steps as -90d or +1h, and rounding as /d, with the units y M w d h m s", math)
		}
		unit := rest[digits]
		rest = rest[digits+1:]
		switch op {
		case '+':
			t = step(t, unit, n)
		case '-':
			t = step(t, unit, -n)
		case '/':
			t = floor(t, unit)
			if rest == "" {
				return span{t.UnixMilli(), step(t, unit, 1).UnixMilli() - 1}, nil
			}
		}
	}
	return instant(t), nil
}

func step(t time.Time, unit byte, n int) time.Time {
	switch unit {
	case 'y':
		return months(t, 12*n)
	case 'M':
		return months(t, n)
	case 'w':
		return t.AddDate(0, 0, 7*n)
	case 'd':
		return t.AddDate(0, 0, n)
	case 'h', 'H':
		return t.Add(time.Duration(n) * time.Hour)
	case 'm':
		return t.Add(time.Duration(n) * time.Minute)
	}
	return t.Add(time.Duration(n) * time.Second)
}

// months adds months like the engines do: a day that the month does not have becomes its last day,
// so a month after 31 January is 28 February, not 3 March.
func months(t time.Time, n int) time.Time {
	first := t.AddDate(0, 0, 1-t.Day()).AddDate(0, n, 0)
	days := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), days)-1)
}

func floor(t time.Time, unit byte) time.Time {
	y, m, d := t.Date()
	switch unit {
	case 'y':
		return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
	case 'M':
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	case 'w': // weeks begin on Monday
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, time.UTC)
	case 'd':
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	case 'h', 'H':
		return t.Truncate(time.Hour)
	case 'm':
		return t.Truncate(time.Minute)
	}
	return t.Truncate(time.Second)
}
