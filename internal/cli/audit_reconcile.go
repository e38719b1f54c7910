package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/audit/history"
	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/policy"
	"github.com/changetrail/changetrail/record"
)

// Exit codes of audit reconcile.
const (
	exitDiffers    = 1 // there are findings
	exitIncomplete = 2 // nothing was found, but not everything could be compared
)

// reconcileFlags are the flags of audit reconcile.
type reconcileFlags struct {
	git, deployments, branch, repository, from, to, fetched, records string
	github, gitlab, environments, former                             []string
}

func (a *app) auditReconcile() *cobra.Command {
	var f reconcileFlags
	var output string
	cmd := &cobra.Command{
		Use:   "reconcile --git DIR | --github EXPORT | --gitlab EXPORT | --deployments FILE",
		Short: "Compare what was really merged and deployed with the records",
		Long: `Compares the history of the production branch, and the deployments, with the records, in
both directions. It finds

  dark               what was merged or deployed, and was never recorded
  ghost              what is recorded as merged or deployed, and is in no history
  wrong-head         a record with another merge commit or head than the history has
  rewritten-history  a recorded merge commit that the branch no longer contains

--git names a clone. Its objects are read with git; no configuration, hook or remote of it is
used. --github and --gitlab name files, or folders of .json files, as gh api --paginate and glab
api --paginate write them: lists of pull requests or merge requests (in all states), commits and
deployments. --deployments names a file (CSV or JSON lines) with time, environment, repository
and commit, and maybe outcome and deployer. Sources can be combined. What is incomplete or cannot
be compared is named. Times are UTC.

Exit codes: 0 all could be compared and nothing was found, 1 something was found, 2 it could not
be compared, or not completely.`,
		Example: `  changetrail audit reconcile --git ~/src/payments --from 2026-09-01 --to 2026-11-30
  changetrail audit reconcile --git payments.git --deployments deployments.csv -o csv > findings.csv
  gh api --paginate 'repos/acme/payments/pulls?state=all&per_page=100' > export/pulls.json
  changetrail audit reconcile --github export --records records.jsonl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.reconcile(cmd, f)
			if err != nil {
				return outcome{exitIncomplete, fmt.Errorf("audit reconcile: %w", err)}
			}
			if err := writeReconciliation(cmd, r, output); err != nil {
				return outcome{exitIncomplete, err}
			}
			switch {
			case len(r.Findings) > 0:
				return outcome{code: exitDiffers}
			case !r.Complete():
				return outcome{code: exitIncomplete}
			}
			return nil
		},
	}
	set := cmd.Flags()
	set.StringVar(&f.git, "git", "", "folder of a clone, with all of its history")
	set.StringSliceVar(&f.github, "github", nil, "files or folders of an export of GitHub's REST API")
	set.StringSliceVar(&f.gitlab, "gitlab", nil, "files or folders of an export of GitLab's REST API")
	set.StringVar(&f.deployments, "deployments", "", "file of deployments: CSV or JSON lines")
	set.StringVar(&f.branch, "branch", "", "the production branch (default: the default branch)")
	set.StringSliceVar(&f.former, "former", nil, "former names of the branch; in a clone they are recognized")
	set.StringVar(&f.repository, "repository", "", "the repository, such as github.com/acme/payments (default: that of the clone or export)")
	set.StringVar(&f.from, "from", "", "first day or moment: 2026-09-01 or 2026-09-01T08:00:00Z (default: 90 days before --to)")
	set.StringVar(&f.to, "to", "", "last day, which is included, or the moment after the last merge (default: now)")
	set.StringVar(&f.fetched, "fetched", "", "when the clone was fetched or the export made, if the times of the files do not show it")
	set.StringVar(&f.records, "records", "", "a file of records, one JSON object per line (default: the records of the index)")
	set.StringSliceVar(&f.environments, "environment", []string{"production", "prod"}, "names of production in deployments")
	outputFlag(cmd, &output, "output format; csv writes one row per finding", "text", "json", "csv")
	a.flag(set, "policy", "enricher.policy", "the policy that names agents and their accounts")
	a.storeFlags(cmd)
	return cmd
}

// reconcile reads the history and the records and compares them.
func (a *app) reconcile(cmd *cobra.Command, f reconcileFlags) (*reconcile.Report, error) {
	now := time.Now()
	q, fetched, err := f.question(now)
	if err != nil {
		return nil, err
	}
	if q.Agent, err = a.recognizer(cmd); err != nil {
		return nil, err
	}
	h, err := f.exports(fetched)
	if err != nil {
		return nil, err
	}
	if h.Repository == "" && f.git != "" {
		h.Repository = history.RepositoryOf(f.git)
	}
	if h.Repository == "" {
		return nil, errors.New("the sources name no repository; name it with --repository, such as github.com/acme/payments")
	}
	records, x, err := a.recordsOf(cmd, f.records, h.Repository)
	if err != nil {
		return nil, err
	}
	if x != nil {
		defer x.close()
	}
	if f.git != "" {
		clone, err := history.Clone{Folder: f.git, Branch: cmp.Or(f.branch, h.Branch), Repository: h.Repository, Named: reconcile.CommitsOf(records), FetchedAt: fetched}.Read(cmd.Context())
		if err != nil {
			return nil, err
		}
		if err := history.Combine(clone, h); err != nil {
			return nil, err
		}
		h = clone
	}
	h.Former = f.former
	if h.ReadAt.IsZero() {
		h.ReadAt = now
	}
	q.History, q.Records, q.RecordsOf = h, records, f.records
	if x != nil {
		q.RecordsOf = fmt.Sprintf("the index (%s), read at %s", x.name, now.UTC().Format(time.RFC3339))
		q.Pushes = []reconcile.Push{} // first without any: those that name what is unexplained are asked for
	}
	r := reconcile.Compare(q)
	if x == nil || len(r.Unexplained()) == 0 {
		return r, nil
	}
	if q.Pushes, err = history.Pushes(cmd.Context(), x, r.Unexplained(), records); err != nil {
		return nil, err
	}
	return reconcile.Compare(q), nil
}

// question reads the flags that say what is compared.
func (f reconcileFlags) question(now time.Time) (q reconcile.Question, fetched time.Time, err error) {
	if f.git == "" && f.deployments == "" && len(f.github)+len(f.gitlab) == 0 {
		return q, fetched, errors.New("name what the records are compared with: --git DIR, --github EXPORT, --gitlab EXPORT or --deployments FILE")
	}
	if f.fetched != "" {
		if fetched, err = momentOf("--fetched", f.fetched, 0); err != nil {
			return q, fetched, err
		}
	}
	q.Environments = f.environments
	if q.From, q.To, err = windowOf(f.from, f.to, now.Truncate(time.Second)); err != nil {
		return q, fetched, err
	}
	if !q.From.Before(q.To) {
		err = fmt.Errorf("the time is empty: --from %s is not before --to %s", minute(q.From), minute(q.To))
	}
	return q, fetched, err
}

// exports reads all sources but the clone.
func (f reconcileFlags) exports(fetched time.Time) (h *reconcile.History, err error) {
	h = &reconcile.History{Branch: f.branch}
	if f.repository != "" {
		if h.Repository, err = record.ParseRepository(f.repository); err != nil {
			return nil, err
		}
	}
	add := func(more *reconcile.History, err error) error {
		if err != nil {
			return err
		}
		return history.Combine(h, more)
	}
	export := history.Export{Branch: f.branch, Repository: h.Repository, FetchedAt: fetched}
	if len(f.github) > 0 {
		export.Paths = f.github
		err = errors.Join(err, add(export.GitHub()))
	}
	if len(f.gitlab) > 0 {
		export.Paths = f.gitlab
		err = errors.Join(err, add(export.GitLab()))
	}
	if f.deployments != "" {
		err = errors.Join(err, add(f.deployed(h.Repository)))
	}
	return h, err
}

// deployed reads the file of deployments. Without a repository it must be about one alone.
func (f reconcileFlags) deployed(repo record.Repository) (*reconcile.History, error) {
	list, err := history.Deployments(f.deployments)
	if err != nil {
		return nil, err
	}
	h := &reconcile.History{Deployments: list, DeploymentsRead: true, Sources: []string{"the deployments in " + f.deployments}}
	if repo != "" || f.git != "" {
		return h, nil
	}
	for _, d := range list {
		if h.Repository != "" && d.Repository != h.Repository {
			return nil, fmt.Errorf("%s has deployments of several repositories; choose one with --repository", f.deployments)
		}
		h.Repository = d.Repository
	}
	return h, nil
}

// recognizer returns how agents are recognized: by the policy, if there is one, and by what is known
// of agents.
func (a *app) recognizer(cmd *cobra.Command) (func(record.Marks) (string, []string), error) {
	s, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	p := new(policy.Policy)
	if s.Enricher.Policy != "" {
		if p, err = a.readPolicy(cmd); err != nil {
			return nil, err
		}
	}
	return p.Recognize, nil
}

// recordsOf reads the records of a repository, from a file or from the index, which the caller closes.
func (a *app) recordsOf(cmd *cobra.Command, file string, repo record.Repository) (records []*record.Record, x *store, err error) {
	add := func(r *record.Record) {
		if reconcile.Concerns(r, repo) {
			records = append(records, r)
		}
	}
	if file != "" {
		if _, err := os.Stat(file); err != nil {
			return nil, nil, err
		}
		err := recordsOfFile(file, add)
		return records, nil, err
	}
	name := strings.ReplaceAll(string(repo), `"`, ``)
	where, err := parseQuery(fmt.Sprintf(`changetrail.change.repository:"%[1]s" OR changetrail.change.other_names:"%[1]s"`, name), "", nil)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.settings(cmd)
	if err != nil {
		return nil, nil, err
	}
	if x, err = s.openFor(cmd); err != nil {
		return nil, nil, err
	}
	if err := x.each(cmd.Context(), where, add); err != nil {
		x.close()
		return nil, nil, err
	}
	return records, x, nil
}
