package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/internal/access"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/policy/whatif"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

const (
	whatIfDays    = 90
	mostWhatIf    = 20_000           // records that are read
	whatIfTime    = 20 * time.Second // for reading them
	whatIfLasts   = 5 * time.Minute  // an answer for readers of everything counts for so long
	whatIfCommand = "changetrail policy what-if"
)

// A whatIfAnswer compares the policies that were in force with others.
type whatIfAnswer struct {
	at      time.Time
	Reports []whatIfReport
	Read    int  // records
	Cut     bool // there are more
}

// A whatIfReport is the answer for one other policy.
type whatIfReport struct {
	Name, Command string
	Report        *whatif.Report
}

// whatIfs computes one answer at a time: it reads many records.
type whatIfs struct {
	mu   sync.Mutex
	last *whatIfAnswer // for readers of everything
}

// whatIf is the page that says how many more people another policy would have asked.
func (s *server) whatIf(w http.ResponseWriter, r *http.Request) error {
	p := whatIfPage{Days: whatIfDays, Only: access.Of(r.Context()).Only()}
	if s.Policies == nil {
		p.Away = "this process does not know the policies that were in force"
		return s.render(w, r, http.StatusServiceUnavailable, p.page())
	}
	answer, err := s.answerWhatIf(r.Context())
	if err != nil {
		why := problem.Of(err, http.StatusServiceUnavailable)
		p.Away = why.Detail
		return s.render(w, r, why.Status, p.page())
	}
	p.fill(answer)
	s.Access.Note(r, "list", "what if")
	return s.render(w, r, http.StatusOK, p.page())
}

func (s *server) answerWhatIf(ctx context.Context) (*whatIfAnswer, error) {
	s.whatIfs.mu.Lock()
	defer s.whatIfs.mu.Unlock()
	all, now := access.Of(ctx).ReadsAll(), s.Now()
	if last := s.whatIfs.last; all && last != nil && now.Sub(last.at) < whatIfLasts {
		return last, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, whatIfTime, errors.New("reading the records took too long; use the command"))
	defer cancel()
	out, err := s.askWhatIf(ctx, now)
	if err == nil && all {
		s.whatIfs.last = out
	}
	return out, err
}

func (s *server) askWhatIf(ctx context.Context, now time.Time) (*whatIfAnswer, error) {
	inForce, err := s.Policies(ctx)
	if err != nil {
		return nil, err
	}
	out := &whatIfAnswer{at: now}
	studies, err := studiesOf(inForce, now, out)
	if err != nil {
		return nil, err
	}
	since := now.UTC().AddDate(0, 0, -whatIfDays).Format(time.RFC3339)
	where, err := query.Parse(fmt.Sprintf(`@timestamp:[%[1]s TO *] OR changetrail.change.merged_at:[%[1]s TO *]`, since), s.fields, now)
	if err != nil {
		return nil, err
	}
	err = s.Index.All(ctx, where, func(h query.Hit) error {
		if out.Read == mostWhatIf {
			out.Cut = true
			return errEnough
		}
		var r record.Record
		if err := json.Unmarshal(h.Doc, &r, jsontext.AllowInvalidUTF8(true)); err != nil {
			return fmt.Errorf("the record %s cannot be read: %w", h.ID, err)
		}
		out.Read++
		for _, study := range studies {
			study.Add(&r)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	for i, study := range studies {
		out.Reports[i].Report = study.Report()
	}
	return out, nil
}

// studiesOf returns a study of each policy that may be wanted, and names their reports.
func studiesOf(inForce policy.History[*policy.Policy], now time.Time, out *whatIfAnswer) ([]*whatif.Study, error) {
	q := whatif.Question{From: now.UTC().AddDate(0, 0, -whatIfDays), To: now.UTC(), InForce: inForce}
	studies := make([]*whatif.Study, 0, len(policy.Classifications)+1)
	for _, class := range policy.Classifications {
		q.Threshold = class
		study, err := whatif.New(q)
		if err != nil {
			return nil, err
		}
		studies = append(studies, study)
		out.Reports = append(out.Reports, whatIfReport{Name: "review from class " + class + " on", Command: whatIfCommand + " --threshold " + class})
	}
	q.Threshold, q.Mode = "", policy.GateEverything
	study, err := whatif.New(q)
	out.Reports = append(out.Reports, whatIfReport{Name: "mode " + policy.GateEverything, Command: whatIfCommand + " --mode " + policy.GateEverything})
	return append(studies, study), err
}
