package history

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/internal/files"
	"github.com/changetrail/changetrail/record"
)

// A row is one deployment in a file that an operator writes.
type row struct {
	Time        string `json:"time"`
	Environment string `json:"environment"`
	Repository  string `json:"repository"`
	Commit      string `json:"commit"`
	Outcome     string `json:"outcome,omitempty"`
	Deployer    string `json:"deployer,omitempty"`
}

// columns are the columns of a CSV file; the last two may be omitted.
var columns = []string{"time", "environment", "repository", "commit", "outcome", "deployer"}

// Deployments reads a file of deployments: CSV with the columns time, environment, repository, commit,
// and maybe outcome (success or failure) and deployer; or JSON lines with the same members.
func Deployments(name string) ([]reconcile.Deployment, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := readDeployments(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

func readDeployments(r io.Reader) ([]reconcile.Deployment, error) {
	in := bufio.NewReader(r)
	start, err := in.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimLeft(start, "\ufeff \r\n\t"), []byte("{")) {
		return jsonDeployments(in)
	}
	return csvDeployments(in)
}

func jsonDeployments(r io.Reader) (out []reconcile.Deployment, err error) {
	d := jsontext.NewDecoder(r)
	for n := 1; ; n++ {
		var v row
		err := json.UnmarshalDecode(d, &v, json.RejectUnknownMembers(true))
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", n, err)
		}
		one, err := v.deployment()
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", n, err)
		}
		out = append(out, one)
		if len(out) > maxItems {
			return nil, fmt.Errorf("there are more than %d deployments", maxItems)
		}
	}
}

func csvDeployments(r io.Reader) (out []reconcile.Deployment, err error) {
	rows := csv.NewReader(r)
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("the first line must name the columns %s: %w", strings.Join(columns, ","), err)
	}
	at := make(map[string]int)
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if !slices.Contains(columns, name) {
			return nil, fmt.Errorf("the column %q is not known; the columns are %s", name, strings.Join(columns, ", "))
		}
		at[name] = i
	}
	for _, name := range columns[:4] {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("the column %q is missing; the first line must name the columns %s", name, strings.Join(columns, ","))
		}
	}
	for {
		cells, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		cell := func(name string) string {
			if i, ok := at[name]; ok {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		v := row{cell("time"), cell("environment"), cell("repository"), cell("commit"), cell("outcome"), cell("deployer")}
		one, err := v.deployment()
		if err != nil {
			line, _ := rows.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, one)
		if len(out) > maxItems {
			return nil, fmt.Errorf("there are more than %d deployments", maxItems)
		}
	}
}

// deployment checks a row. A row without an outcome is a success: the file lists what was deployed.
func (v row) deployment() (d reconcile.Deployment, err error) {
	at, err := time.Parse(time.RFC3339, v.Time)
	if err != nil {
		return d, fmt.Errorf("time %q: write it as 2026-11-12T03:47:00Z", v.Time)
	}
	repo, err := record.ParseRepository(v.Repository)
	if err != nil {
		return d, err
	}
	if !record.IsCommit(v.Commit) {
		return d, fmt.Errorf("commit %q is not the id of a commit: 7 to 64 hexadecimal digits", v.Commit)
	}
	if v.Environment == "" {
		return d, errors.New("environment is empty")
	}
	d = reconcile.Deployment{Repository: repo, Environment: v.Environment, Commit: strings.ToLower(v.Commit), At: at.UTC(), Outcome: v.Outcome, Deployer: v.Deployer}
	switch v.Outcome {
	case "":
		d.Outcome = "success"
	case "success", "failure":
	default:
		return d, fmt.Errorf("outcome %q: write success or failure", v.Outcome)
	}
	return d, nil
}
