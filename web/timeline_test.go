package web

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

func TestAScaleLeadsFromDatesToPlaces(t *testing.T) {
	s := scale{noon, noon.Add(10 * time.Hour), 100, 900}
	for at, want := range map[time.Duration]int{-time.Hour: 100, 0: 100, time.Hour: 180, 5 * time.Hour: 500, 10 * time.Hour: 900, 90 * time.Hour: 900} {
		if got := s.at(noon.Add(at)); got != want {
			t.Errorf("%v is at %d, want %d", at, got, want)
		}
	}
	if got := (scale{noon, noon, 100, 900}).at(noon); got != 100 {
		t.Errorf("a moment is at %d", got)
	}
}

// TestTicksAreAtWholeStepsAndApart: for spans from minutes to centuries.
func TestTicksAreAtWholeStepsAndApart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		first := noon.Add(-time.Duration(r.Int64N(int64(365 * day))))
		span := time.Duration(1 + r.Int64N(int64(time.Minute)<<r.IntN(27)))
		s := scale{first, first.Add(span), 0, 800}
		ticks := s.ticks(7)
		if len(ticks) > 7 || span > 10*time.Minute && len(ticks) == 0 {
			t.Fatalf("%v has the ticks %v", span, ticks)
		}
		for i, k := range ticks {
			if k.X < 0 || k.X > 800 || i > 0 && k.X-ticks[i-1].X < 80 {
				t.Fatalf("%v: ticks %v", span, ticks)
			}
			textsAreApart(t, s, ticks)
		}
	}
	got := scale{noon.Add(-90 * time.Minute), noon.Add(14 * time.Hour), 0, 800}.ticks(7)
	if got[0].Text != "12 Nov, 12:00" || got[1].Text != "15:00" || got[len(got)-1].Text != "13 Nov, 00:00" {
		t.Errorf("%v", got)
	}
}

// textsAreApart fails where the texts of two ticks touch, or one ends outside the picture.
func textsAreApart(t *testing.T, s scale, ticks []tick) {
	t.Helper()
	end := s.left - 1000
	for _, k := range ticks {
		from, to := k.X, k.X+int(letter*float64(len(k.Text)))
		if k.End {
			from, to = from-(to-from), k.X
		}
		if k.Text != "" && from < end || to > s.right {
			t.Fatalf("the text of a tick touches the one before, or ends at %d of %d: %+v", to, s.right, ticks)
		}
		end = max(end, to)
	}
}

func step(stage replay.Stage, at, arrived time.Duration) replay.Step {
	return replay.Step{Stage: stage, At: noon.Add(at), Arrived: noon.Add(arrived), Title: string(stage), Who: "li.wen"}
}

func TestTheTimeLineIsDrawnToScale(t *testing.T) {
	r := new(record.Record)
	r.Trail.Change.MergedAt = noon.Add(5 * time.Hour)
	missing := replay.Step{Stage: replay.Approved, Title: "Nobody reviewed it"}
	brought := step(replay.Deployed, 10*time.Hour, 200*time.Hour)
	brought.Imported = true
	line := newTimeline(&replay.Story{Record: r, Steps: []replay.Step{
		step(replay.Saw, 0, time.Minute), step(replay.Decided, time.Hour, 6*time.Hour), step(replay.Did, 2*time.Hour, 999*time.Hour), missing, brought,
	}})
	var lanes []string
	for i, l := range line.Wide.Lanes {
		lanes = append(lanes, l.Name)
		if l.Y != laneTop+i*wide.lane || l.Y > line.Wide.Bottom {
			t.Errorf("%s lies at %d of %d", l.Name, l.Y, line.Wide.Bottom)
		}
	}
	if got := strings.Join(lanes, " "); got != "trigger decision work deployment" {
		t.Errorf("the lanes are %s", got)
	}
	for _, d := range []*drawing{line.Wide, line.Narrow} {
		hour := (d.Right - d.Left) / 10
		for i, want := range []struct{ x, late int }{{0, 0}, {hour, 5 * hour}, {2 * hour, 8 * hour}, {10 * hour, 0}} {
			m := d.Lanes[i].Marks[0]
			if off := m.X - d.Left - want.x; off < -5 || off > 5 {
				t.Errorf("%s, %s is at %d, want %d", d.Name, lanes[i], m.X-d.Left, want.x)
			}
			if off := m.Late - want.late; off < -5 || off > 5 || m.X+m.Late > d.Right {
				t.Errorf("%s, %s: %d wide, want %d", d.Name, lanes[i], m.Late, want.late)
			}
		}
		if d.Merge == nil || d.Merge.X != (d.Left+d.Right)/2 || d.Merge.Text != "merged 12 Nov 2026, 17:00" {
			t.Errorf("%s: the merge is %+v", d.Name, d.Merge)
		}
	}
	if len(line.Rows) != 4 || line.Rows[1].Lag != "received 5 h later" || !line.LateAny {
		t.Errorf("the table has %+v", line.Rows)
	}
	if newTimeline(&replay.Story{Record: r, Steps: []replay.Step{step(replay.Saw, 0, 0), missing}}) != nil {
		t.Error("one moment is drawn as a line")
	}
}

func TestLabelsStayInThePicture(t *testing.T) {
	long := strings.Repeat("x", 300)
	for left := wide.Left; left <= wide.Right; left += 7 {
		for right := left; right <= wide.Right; right += 31 {
			l := wide.placeLabel(left, right, long)
			width := int(float64(len([]rune(l.Text))) * letter)
			if l.End && l.X-width < wide.Left-1 || !l.End && l.X+width > wide.Right+1 {
				t.Fatalf("marks from %d to %d: %+v is %d wide", left, right, l, width)
			}
		}
	}
}
