package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/policy/whatif"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
)

// A whatIf is what the flags of policy what-if say.
type whatIf struct {
	from, to, threshold, mode, was, records string
}

func (a *app) policyWhatIf() *cobra.Command {
	var w whatIf
	var output string
	cmd := &cobra.Command{
		Use:   "what-if --threshold CLASS | --policy NEW | --mode gate-everything",
		Short: "Show how many more people another policy would have asked, and which bad changes it would have stopped",
		Long: `Decides the changes of agents that were merged in the last 90 days again, and compares
the answer with that of the policy that was in force at each merge.

--threshold and --mode change each of these policies, or the file of --policy.

It counts requests to people: one review or one approval each. A change that turned out
bad was merged on failing tests, failed or was rolled back in a deployment, was reverted,
or is named by an incident or alert. Records that are cut or incomplete are counted apart,
neither as asked nor as free. Times are UTC.`,
		Example: `  changetrail policy what-if --threshold high
  changetrail policy what-if --policy new.yaml --from 2026-09-01 --to 2026-11-30
  changetrail policy what-if --mode gate-everything -o csv > changes.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			study, err := a.study(cmd, w)
			if err != nil {
				return err
			}
			r := study.Report()
			if r.Decided == 0 && len(r.Undecided) == 0 {
				return fmt.Errorf("policy what-if: no change of an agent was merged from %s to %s; choose another time with --from and --to, or another store with --store", minute(r.From), minute(r.To))
			}
			switch output {
			case "json":
				return printJSON(cmd, r)
			case "csv":
				return writeWhatIfRows(cmd, r)
			}
			return writeWhatIf(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().StringVar(&w.threshold, "threshold", "", "the lowest class that requires a review if no rule applies: "+strings.Join(policy.Classifications, ", "))
	cmd.Flags().StringVar(&w.mode, "mode", "", policy.GateEverything+": every change needs an approval in advance")
	cmd.Flags().StringVar(&w.from, "from", "", "first day or moment of the merges: 2026-09-01 or 2026-09-01T08:00:00Z (default: 90 days before --to)")
	cmd.Flags().StringVar(&w.to, "to", "", "last day, which is included, or the moment after the last merge (default: now)")
	cmd.Flags().StringVar(&w.was, "was", "", "the policy that was in force all the time, instead of the recorded ones")
	cmd.Flags().StringVar(&w.records, "records", "", "a file of records, one JSON object per line (default: the records of the index)")
	outputFlag(cmd, &output, "output format; csv writes one row per change", "text", "json", "csv")
	complete(cmd, "threshold", policy.Classifications)
	complete(cmd, "mode", []string{policy.GateEverything})
	a.flag(cmd.Flags(), "policy", "enricher.policy", "the other policy")
	a.flag(cmd.Flags(), "data", "local.data", "folder of the embedded mode with the recorded policies, if it is not running")
	a.storeFlags(cmd)
	return cmd
}

// study reads the policies and the records.
func (a *app) study(cmd *cobra.Command, w whatIf) (*whatif.Study, error) {
	other := cmd.Flags().Changed("policy")
	if w.threshold == "" && w.mode == "" && !other {
		return nil, usageError{errors.New("policy what-if: say what is different: --threshold CLASS, --policy NEW or --mode gate-everything")}
	}
	from, to, err := w.window(time.Now())
	if err != nil {
		return nil, err
	}
	q := whatif.Question{From: from, To: to, Threshold: w.threshold, Mode: w.mode}
	// A wrong threshold or mode is said before anything is read.
	if _, err := new(policy.Policy).Moved(w.threshold, w.mode); err != nil {
		return nil, usageError{fmt.Errorf("policy what-if: %w", err)}
	}
	if other {
		if q.Other, err = a.readPolicy(cmd); err != nil {
			return nil, err
		}
	}
	if q.InForce, err = a.policiesInForce(cmd, w.was); err != nil {
		return nil, err
	}
	study, err := whatif.New(q)
	if err != nil {
		return nil, usageError{fmt.Errorf("policy what-if: %w", err)}
	}
	if w.records != "" {
		return study, recordsOfFile(w.records, study.Add)
	}
	since := from.UTC().Format(time.RFC3339)
	where, err := parseQuery(fmt.Sprintf(`@timestamp:[%[1]s TO *] OR changetrail.change.merged_at:[%[1]s TO *]`, since), "", nil)
	if err != nil {
		return nil, err
	}
	return study, a.recordsWhere(cmd, where, study.Add)
}

// policiesInForce returns the recorded policies, or the one of a file.
func (a *app) policiesInForce(cmd *cobra.Command, was string) (policy.History[*policy.Policy], error) {
	if was == "" {
		rules, err := a.storedRules(cmd)
		return rules.Policies, err
	}
	p, err := readPolicy(was)
	if err != nil {
		return policy.History[*policy.Policy]{}, misconfigured(err)
	}
	return policy.Always(p, time.Time{}), nil
}

// window returns the time that is decided again. It ends before to.
func (w whatIf) window(now time.Time) (from, to time.Time, err error) {
	if from, to, err = windowOf(w.from, w.to, now); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, usageError{fmt.Errorf("policy what-if: the time is empty: --from %s is not before --to %s", minute(from), minute(to))}
	}
	return from, to, nil
}

// windowDays is the length of a window if its beginning is not given.
const windowDays = 90

// windowOf reads the values of --from and --to. The window ends now if --to is empty.
func windowOf(first, last string, now time.Time) (from, to time.Time, err error) {
	to = now.UTC()
	if last != "" {
		if to, err = momentOf("--to", last, 1); err != nil {
			return from, to, err
		}
	}
	from = to.AddDate(0, 0, -windowDays)
	if first != "" {
		from, err = momentOf("--from", first, 0)
	}
	return from, to, err
}

// momentOf reads the value of a flag: a moment, or the start of the day that is some days after a
// date.
func momentOf(flag, text string, days int) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, usageError{fmt.Errorf("%s %q: write a time, such as 2026-11-12T03:47:00Z or 2026-11-12", flag, text)}
	}
	return t.AddDate(0, 0, days), nil
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// whatIfColumns are the columns of the rows that policy what-if writes.
var whatIfColumns = []string{
	"change", "merged_at", "asked_at", "agent", "services", "class", "effect", "undecided",
	"in_force_verdict", "in_force_rule", "in_force_requests", "verdict", "rule", "requests", "people_more", "reviewed", "bad", "title",
}

// writeWhatIfRows writes one row per change.
func writeWhatIfRows(cmd *cobra.Command, r *whatif.Report) error {
	w := csv.NewWriter(cmd.OutOrStdout())
	if err := w.Write(whatIfColumns); err != nil {
		return err
	}
	for _, c := range r.Changes {
		more := ""
		if c.Undecided == "" {
			more = strconv.Itoa(len(c.Instead.Requests) - len(c.InForce.Requests))
		}
		row := []string{
			string(c.ID), c.MergedAt.Format(time.RFC3339), c.AskedAt.Format(time.RFC3339), c.Agent, strings.Join(c.Services, " "), c.Class, c.Effect, c.Undecided,
			c.InForce.Verdict, c.InForce.Rule, requestsInWords(c.InForce), c.Instead.Verdict, c.Instead.Rule, requestsInWords(c.Instead),
			more, strconv.FormatBool(c.Reviewed), signsInWords(c), c.Title,
		}
		for i, cell := range row {
			if whatIfColumns[i] != "people_more" { // a number may be negative
				row[i] = query.EscapeFormula(cell)
			}
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// requestsInWords says who is asked for what; nothing about a change that cannot be decided.
func requestsInWords(o whatif.Outcome) string {
	var out []string
	for _, q := range o.Requests {
		what := "a review by "
		if q.What == "approval" {
			what = "an approval by "
		}
		out = append(out, what+q.By)
	}
	switch {
	case o.Verdict == "":
		return ""
	case o.Stopped && o.Verdict == record.Forbidden:
		return "forbidden"
	case o.Stopped:
		return "nobody can approve it"
	case len(out) == 0:
		return "nobody is asked"
	}
	return strings.Join(out, " and ")
}

func signsInWords(c *whatif.Change) string {
	var out []string
	for _, s := range c.Signs {
		out = append(out, s.Text)
	}
	return strings.Join(out, "; ")
}
