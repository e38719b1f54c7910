package web

import "time"

// A scale maps times to positions in a picture.
type scale struct {
	first, last time.Time
	left, right int
}

// at returns the position of t; times beyond the ends are at the ends.
func (s scale) at(t time.Time) int {
	span := s.last.Sub(s.first)
	if span <= 0 || !t.After(s.first) {
		return s.left
	}
	if !t.Before(s.last) {
		return s.right
	}
	return s.left + int(float64(t.Sub(s.first))/float64(span)*float64(s.right-s.left)+.5)
}

const day = 24 * time.Hour

// steps that a scale may have between ticks.
var tickSteps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 30 * day, 60 * day, 90 * day, 180 * day, 365 * day, 2 * 365 * day, 5 * 365 * day, 20 * 365 * day, 100 * 365 * day,
}

// ticks returns at most most ticks, at whole steps. A tick shows the day if it differs from that of
// the tick before. One whose text would touch the text before has none.
func (s scale) ticks(most int) (out []tick) {
	step := tickSteps[len(tickSteps)-1]
	for _, d := range tickSteps {
		if int(s.last.Sub(s.first)/d) < most {
			step = d
			break
		}
	}
	said, free := "", -1<<30 // free is where the next text may begin
	at := s.first.UTC().Truncate(step)
	if at.Before(s.first) {
		at = at.Add(step)
	}
	for ; !at.After(s.last) && len(out) < most; at = at.Add(step) {
		text := at.Format("15:04")
		date := at.Format("2 Jan")
		switch {
		case step >= 300*day:
			text = at.Format("2006")
		case step >= day:
			text = date
		case date != said:
			text = date + ", " + text
		}
		k, wide := tick{X: s.at(at), Text: text}, int(letter*float64(len(text)))
		from := k.X
		if k.End = k.X > s.right-wide; k.End {
			from -= wide
		}
		if from < free {
			k.Text = ""
		} else {
			free, said = from+wide, date
		}
		out = append(out, k)
	}
	return out
}
