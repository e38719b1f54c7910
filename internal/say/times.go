package say

import (
	"fmt"
	"time"
)

// When formats a time for people, always in UTC.
func When(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// on returns " on" and the time, or "" if it is unknown.
func on(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " on " + When(t)
}

// Span describes a duration in words, in the largest unit that fits at least twice.
func Span(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	switch {
	case d < 2*time.Minute:
		return number(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return number(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return number(int(d.Hours()), "hour")
	}
	return number(int(d.Hours()/24), "day")
}

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// afterMerge reports whether t is after the merge; it is not if either is unknown.
func (s explainer) afterMerge(t time.Time) bool {
	merged := s.r.Trail.Change.MergedAt
	return !merged.IsZero() && t.After(merged)
}

// fromMerge says how long before or after the merge t is: ", 41 minutes before the merge".
func (s explainer) fromMerge(t time.Time) string {
	merged := s.r.Trail.Change.MergedAt
	switch {
	case t.IsZero() || merged.IsZero():
		return ""
	case s.afterMerge(t):
		return ", " + Span(t.Sub(merged)) + " after the merge"
	}
	return ", " + Span(merged.Sub(t)) + " before the merge"
}
