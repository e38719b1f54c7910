package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/record"
)

// The exit codes of gate, which a script may rely on, besides exitOK: allowed.
const (
	exitDenied  = 1
	exitUnknown = 2 // nobody knows: do not merge
)

// An outcome ends a command with an exit code. Its error, if it has one, is printed.
type outcome struct {
	code int
	error
}

func (o outcome) Error() string {
	if o.error == nil {
		return fmt.Sprintf("exit code %d", o.code)
	}
	return o.error.Error()
}

func (o outcome) Unwrap() error { return o.error }

func (a *app) gate() *cobra.Command {
	var output string
	var asked gateFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "gate [CHANGE]",
		Short: "Ask whether a change may be merged now",
		Long: `Asks the gate whether a change may be merged now, and prints why or why not, what is
missing and who can give it. The gate answers from all events that the broker has
accepted, and its answer becomes a part of the record.

Exit code 0: allowed. 1: denied. 2: the gate cannot tell; do not merge then.

--commit names the commit that you are about to merge: if the change has another newest
commit, the answer is a denial. In GitHub Actions, GitLab CI and Jenkins the change and
the commit are read from the job's environment, unless CHANGE is given; in a merge queue
GitHub is asked for the newest commit of the pull request (GITHUB_TOKEN). In GitHub
Actions the job also proves who it is (OIDC), if no token is configured. Ready-made CI
steps are in deploy/ci.

--deploy asks about a commit instead, for example in a hook before a deployment: was the
merge that made it authorized and reviewed?

It asks the gateway that --gateway names, or the running instance of changetrail up.`,
		Example: `  changetrail gate acme/payments#4829 --commit "$(git rev-parse HEAD)"
  changetrail gate --gateway https://changetrail.example.com --wait 10m
  changetrail gate --deploy "github.com/acme/payments/commit/$(git rev-parse HEAD)"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeChange,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := a.question(cmd, args, asked)
			if err != nil {
				return outcome{exitUnknown, err}
			}
			d, err := q.wait(cmd, wait)
			if err != nil {
				return outcome{exitUnknown, err}
			}
			if err := printDecision(cmd, d, output); err != nil {
				return outcome{exitUnknown, err}
			}
			if !d.Allowed {
				return outcome{code: exitDenied}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&asked.commit, "commit", "", "the commit that is about to be merged")
	cmd.Flags().BoolVar(&asked.deploy, "deploy", false, "ask whether a commit may be deployed; CHANGE is the commit")
	cmd.Flags().Var(spanOf(&wait, 0), "wait", "how long to wait for what is missing, such as a review or CI")
	outputFlag(cmd, &output, "output format", "text", "json")
	a.flag(cmd.Flags(), "gateway", "producer.gateway", "URL of the gateway")
	a.storeFlags(cmd)
	cmd.AddCommand(a.gateAdmission(), a.gateBreakGlass())
	return cmd
}

// A gateQuestion is a question and where to ask it.
type gateQuestion struct {
	change         record.ChangeID
	deploy         bool
	commit, server string
	token          func(context.Context) (string, error) // asked before each request: a CI job's token expires soon
}

// gateFlags are the flags that belong to the question.
type gateFlags struct {
	commit string
	deploy bool
}

// question reads what to ask, and finds out whom.
func (a *app) question(cmd *cobra.Command, args []string, f gateFlags) (q gateQuestion, err error) {
	s, err := a.settings(cmd)
	if err != nil {
		return q, err
	}
	if err := q.about(cmd.Context(), args, f); err != nil {
		return q, err
	}
	return q, q.find(cmd.Context(), &s)
}

// about reads what the question is about.
func (q *gateQuestion) about(ctx context.Context, args []string, f gateFlags) (err error) {
	job := ciJobOf(os.Getenv)
	if f.deploy {
		if len(args) == 0 || f.commit != "" {
			return errors.New("gate: with --deploy, name the commit, for example github.com/acme/payments/commit/9f2c… with all its digits, and leave --commit out")
		}
		job = ciJob{}
	}
	text := job.change
	if len(args) > 0 {
		text = args[0]
	}
	if text == "" {
		return errors.New("gate: name the change, for example acme/payments#4829: no CI system that changetrail knows provides one here")
	}
	if q.change, err = record.ParseChange(text); err != nil {
		return err
	}
	q.deploy = f.deploy
	if q.commit = f.commit; q.commit == "" && string(q.change) == job.change {
		if q.commit, err = job.head(ctx, os.Getenv); err != nil {
			return fmt.Errorf("gate: %w", err)
		}
	}
	return nil
}

// find finds out whom to ask, and as whom.
func (q *gateQuestion) find(ctx context.Context, s *Settings) error {
	token, err := s.Secret("producer.token")
	if err != nil {
		return err
	}
	q.token = func(context.Context) (string, error) { return token, nil }
	if q.server = s.Producer.Gateway; q.server != "" {
		if token == "" {
			q.token = func(ctx context.Context) (string, error) { return ciToken(ctx, os.Getenv, q.server) }
		}
		return nil
	}
	at, err := s.look(ctx)
	if err != nil {
		return err
	}
	if q.server = at.instance.Page; q.server == "" || !at.running {
		return errors.New("gate: no gateway is configured and no instance runs here; name the gateway with --gateway URL")
	}
	return nil
}

// Times of one request.
const (
	gateTimeout = 20 * time.Second // without waiting
	gateTurn    = 20 * time.Second // how long one request waits
	gatePause   = time.Second      // after a failure
)

// wait asks until the change is allowed or the time is over. The gate answers as soon as its answer
// differs, so that nothing is asked again and again.
func (q gateQuestion) wait(cmd *cobra.Command, most time.Duration) (gate.Decision, error) {
	over := time.Now().Add(most)
	var last string
	var turn time.Duration // the first request does not wait, so that people see at once what is missing
	for {
		began := time.Now()
		left := time.Until(over)
		d, tag, err := q.ask(cmd.Context(), min(max(left, 0), turn), last)
		turn = gateTurn
		switch {
		case err == nil && (d.Allowed || left <= 0):
			return d, nil
		case err != nil && (left <= 0 || isFinal(err)):
			return d, err
		case err != nil:
			fmt.Fprintf(cmd.ErrOrStderr(), "%v; asking again\n", err)
			last = ""
			if err := rest(cmd.Context()); err != nil {
				return d, err
			}
		case tag != last:
			last = tag
			fmt.Fprintf(cmd.ErrOrStderr(), "waiting up to %s: %s\n", left.Round(time.Second), waitingFor(d))
		case time.Since(began) < gatePause: // so many wait that the gateway answers at once
			if err := rest(cmd.Context()); err != nil {
				return d, err
			}
		}
	}
}

// rest waits before the next request.
func rest(ctx context.Context) error {
	select {
	case <-time.After(gatePause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waitingFor says in one line what would allow a change.
func waitingFor(d gate.Decision) string {
	var parts []string
	for _, m := range d.Missing {
		parts = append(parts, m.Give())
	}
	for _, c := range d.Checks {
		if c.State != "success" {
			parts = append(parts, "the check "+c.Name)
		}
	}
	if len(parts) == 0 {
		parts = d.Reasons
	}
	return strings.Join(parts, "; ")
}

// A finalError is an answer that waiting does not change.
type finalError struct{ error }

func isFinal(err error) bool {
	var f finalError
	return errors.As(err, &f)
}

// ask asks once. tag identifies the answer.
func (q gateQuestion) ask(ctx context.Context, wait time.Duration, unless string) (d gate.Decision, tag string, err error) {
	at, err := url.Parse(q.server)
	if err != nil {
		return d, "", finalError{fmt.Errorf("gate: %s is not a URL: %w", q.server, err)}
	}
	at = at.JoinPath("v1", "changes", string(q.change), "gate")
	values := make(url.Values)
	if q.commit != "" {
		values.Set("commit", q.commit)
	}
	if q.deploy {
		values.Set("deploy", "true")
	}
	if wait > 0 {
		values.Set("wait", wait.Round(time.Millisecond).String())
		if unless != "" {
			values.Set("unless", unless)
		}
	}
	at.RawQuery = values.Encode()
	ctx, cancel := context.WithTimeout(ctx, wait+gateTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return d, "", finalError{fmt.Errorf("gate: %w", err)}
	}
	return q.send(r)
}

// send sends a request, with the token in its header, and reads the decision.
func (q gateQuestion) send(r *http.Request) (d gate.Decision, tag string, err error) {
	token, err := q.token(r.Context())
	if err != nil {
		return d, "", fmt.Errorf("gate: %w", err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return d, "", fmt.Errorf("gate: the gateway cannot be asked: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	const most = 1 << 20
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return d, "", fmt.Errorf("gate: the answer cannot be read: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		err := fmt.Errorf("gate: %s answered %s: %s", r.URL.Host, answer.Status, detailOf(body))
		if answer.StatusCode < 500 && answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusTooManyRequests {
			err = finalError{err}
		}
		return d, "", err
	}
	if err := json.Unmarshal(body, &d); err != nil || d.Change == "" || len(d.Reasons) == 0 {
		return gate.Decision{}, "", finalError{fmt.Errorf("gate: %s does not answer as a gate: %s", r.URL.Host, printable.Beginning(body, 200))}
	}
	return d, strings.Trim(answer.Header.Get("ETag"), `"`), nil
}

// detailOf returns the detail of a problem, or the beginning of another answer.
func detailOf(body []byte) string {
	var p struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		return p.Detail
	}
	return printable.Beginning(body, 200)
}

func printDecision(cmd *cobra.Command, d gate.Decision, output string) error {
	if output == "json" {
		return printJSON(cmd, d)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, d.Summary())
	for _, r := range d.Reasons {
		fmt.Fprintf(out, "  %s\n", r)
	}
	for i, m := range d.Missing {
		if i == 0 {
			fmt.Fprintln(out, "Missing:")
		}
		fmt.Fprintf(out, "  %s\n", m.Give())
	}
	for i, c := range d.Checks {
		if i == 0 {
			fmt.Fprintln(out, "Checks:")
		}
		fmt.Fprintf(out, "  %s: %s\n", c.Name, c.State)
	}
	if d.Warning != "" {
		fmt.Fprintln(out, d.Warning)
	}
	if d.Rule != "" {
		fmt.Fprintf(out, "Rule %s of policy %s\n", d.Rule, d.PolicyDigest)
	}
	_, err := fmt.Fprintf(out, "Based on all events before %s\n", d.Position)
	return err
}
