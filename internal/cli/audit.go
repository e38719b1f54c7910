package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/audit"
	"github.com/changetrail/changetrail/audit/coverage"
	"github.com/changetrail/changetrail/internal/health"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// audit groups the commands of auditors.
func (a *app) audit() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Check as an auditor that the records are complete and true, and draw a sample"}
	return group(cmd, a.auditPopulation(), a.auditSample(), a.auditPack(), a.auditReconcile())
}

// A population is what the flags of the commands of auditors say about the changes that are audited.
type population struct {
	from, to, environment, control, service, initiatedBy, where, records string
	withoutTopics                                                        bool
}

func (p *population) flags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.from, "from", "", "first day or moment of the merges: 2026-09-01 or 2026-09-01T08:00:00Z (default: 90 days before --to)")
	f.StringVar(&p.to, "to", "", "last day, which is included, or the moment after the last merge (default: now)")
	f.StringVar(&p.environment, "environment", "", "only changes that were deployed there, such as production")
	f.StringVar(&p.control, "control", "", "only changes to which a control applies, such as pci-dss-v4.0.1:6.3.2")
	f.StringVar(&p.service, "service", "", "only changes of a service")
	f.StringVar(&p.initiatedBy, "initiated-by", "", "only changes that were made by agent, human, or that are unknown")
	f.StringVar(&p.where, "query", "", "only changes that a search finds")
	f.StringVar(&p.records, "records", "", "a file of records, one JSON object per line (default: the records of the index)")
	f.BoolVar(&p.withoutTopics, "without-topics", false, "do not read the topics of Kafka; what only they show is unknown then")
	complete(cmd, "initiated-by", []string{"agent", "human", audit.Unknown})
	a.flag(f, "data", "local.data", "folder of the embedded mode")
	a.storeFlags(cmd)
}

// question returns the question that the flags ask at a time.
func (p *population) question(now time.Time) (q audit.Question, err error) {
	q.Environment = p.environment
	if q.From, q.To, err = windowOf(p.from, p.to, now.Truncate(time.Second)); err != nil {
		return q, err
	}
	var where []string
	for _, w := range []struct{ field, value string }{{"changetrail.control.tags", p.control}, {"service.name", p.service}} {
		if w.value != "" {
			where = append(where, w.field+":"+query.Quote(w.value))
		}
	}
	switch p.initiatedBy {
	case "":
	case "agent", "human":
		where = append(where, "changetrail.change.initiated_by:"+p.initiatedBy)
	case audit.Unknown:
		where = append(where, "NOT _exists_:changetrail.change.initiated_by")
	default:
		return q, usageError{fmt.Errorf("--initiated-by %q: it is agent, human or unknown", p.initiatedBy)}
	}
	if p.where != "" {
		where = append(where, "("+p.where+")")
	}
	q.Where = strings.Join(where, " AND ")
	if err := q.Check(now); err != nil {
		return q, usageError{err}
	}
	return q, nil
}

// read collects the population, with what is known about its completeness.
func (p *population) read(cmd *cobra.Command, a *app) (*audit.Population, error) {
	now := time.Now()
	q, err := p.question(now)
	if err != nil {
		return nil, err
	}
	where, err := parseQuery(q.Search(), "", nil)
	if err != nil {
		return nil, usageError{err}
	}
	if p.records != "" {
		return p.ofFile(q, now)
	}
	s, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	x, err := s.openFor(cmd)
	if err != nil {
		return nil, err
	}
	defer x.close()
	c := audit.NewCollector(q, x.name, now)
	found, err := x.Search(cmd.Context(), query.Request{Where: where})
	if err != nil {
		return nil, err
	}
	if err := x.each(cmd.Context(), where, c.Add); err != nil {
		return nil, err
	}
	return c.Population(found.Total, append(p.topics(cmd, &s, q.From), p.sources(cmd.Context(), &s, x, now))...)
}

// ofFile collects the population of a file. Nobody knows how the file was made.
func (p *population) ofFile(q audit.Question, now time.Time) (*audit.Population, error) {
	if q.Where != "" {
		return nil, usageError{fmt.Errorf("--records: a file is not searched; leave out %s", q.Where)}
	}
	c := audit.NewCollector(q, p.records, now)
	n := 0
	if err := recordsOfFile(p.records, func(r *record.Record) {
		n++
		c.Add(r)
	}); err != nil {
		return nil, err
	}
	return c.Population(n, audit.Check{Name: "completeness of the file", Status: audit.NotChecked, Text: "Whether the file contains all records of the window cannot be seen from the file."})
}

// topics says what the topics of Kafka show.
func (p *population) topics(cmd *cobra.Command, s *Settings, from time.Time) []audit.Check {
	unknown := func(why string) []audit.Check {
		return []audit.Check{{Name: "topics", Status: audit.NotChecked, Text: why + " Refused messages, missing numbers and events that were not processed yet are not known."}}
	}
	if p.withoutTopics {
		return unknown("The topics were not read, as --without-topics asks.")
	}
	kafka, end, err := s.kafkaOrFolder(cmd)
	if err != nil {
		return unknown(fmt.Sprintf("The topics could not be read: %v.", err))
	}
	defer end()
	c, err := coverage.Read(cmd.Context(), kafka, s.topics(), from)
	if err != nil {
		return unknown(fmt.Sprintf("The topics could not be read: %v.", err))
	}
	return c.Checks()
}

// sources says which sources were heard and which fell silent.
func (p *population) sources(ctx context.Context, s *Settings, x *store, now time.Time) audit.Check {
	k := audit.Check{Name: "silent sources", Status: audit.OK}
	index, ok := x.Index.(interface {
		Heard(ctx context.Context, namespace string, since time.Time) ([]schemas.Heard, error)
	})
	if !ok {
		k.Status, k.Text = audit.NotChecked, "This store does not say when its sources were heard."
		return k
	}
	const looked = 60 * 24 * time.Hour // twice the time by which a source is judged
	heard, err := index.Heard(ctx, s.Namespace, now.Add(-looked))
	if err != nil {
		k.Status, k.Text = audit.NotChecked, fmt.Sprintf("When each source was heard could not be found out: %v.", err)
		return k
	}
	var silent, others []string
	for _, source := range health.Sources(heard, now) {
		line := fmt.Sprintf("%s: its newest event arrived at %s", source.Name, source.Last.Format(time.RFC3339))
		switch {
		case source.Silent:
			silent = append(silent, line+fmt.Sprintf(", and it is silent since; before, it was never silent for more than %d days", int(source.Longest.Hours()/24)))
			continue
		case !source.Known:
			line += fmt.Sprintf("; it was heard on too few days (%d) to know how often it sends", source.Days)
		}
		others = append(others, line)
	}
	k.Details = append(silent, others...)
	k.Total = len(k.Details)
	k.Text = fmt.Sprintf("%d sources sent events in the 30 days before %s, and none of them is silent for longer than before.", k.Total, now.UTC().Format(time.RFC3339))
	if len(silent) > 0 {
		k.Status, k.Text = audit.Deviation, fmt.Sprintf("%d of %d sources fell silent. Changes that they would have reported may be missing.", len(silent), k.Total)
	}
	return k
}
