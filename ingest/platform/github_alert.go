package platform

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/record"
)

type githubAlert struct {
	Number    int            `json:"number"`
	State     string         `json:"state"`
	URL       string         `json:"html_url"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Advisory  jsontext.Value `json:"security_advisory"` // Dependabot
	Rule      jsontext.Value `json:"rule"`              // code scanning
	Tool      struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"tool"`
	SecretType string `json:"secret_type"` // secret scanning
	Instance   struct {
		Ref       string `json:"ref"`
		CommitSHA string `json:"commit_sha"`
	} `json:"most_recent_instance"`
}

// ofPull matches the ref of an alert in a pull request.
var ofPull = regexp.MustCompile(`^refs/pull/([1-9][0-9]*)/(?:merge|head)$`)

// alert makes the alert a scanner's report, with the whole body, which package evidence reads. An
// alert that is fixed or dismissed becomes a report without findings.
func (g *githubEvent) alert(event string, data []byte, r *Reading) {
	a := g.Alert
	r.Time = firstTime(a.UpdatedAt, a.CreatedAt)
	ref := cmp.Or(g.Ref, a.Instance.Ref)               // an event that closes an alert has none
	if m := ofPull.FindStringSubmatch(ref); m != nil { // its commit is GitHub's test merge, and is in no branch
		r.Change = r.Repository.Change("/pull/" + m[1])
	}
	f := &record.Scan{
		Alert: true,
		Tool:  record.Tool{Name: a.Tool.Name, Version: a.Tool.Version}, ScanID: strings.TrimSuffix(event, "_alert") + "/" + strconv.Itoa(a.Number), URL: a.URL,
		CommitSHA: commit(g.CommitOID), Report: record.Report{Encoding: "json", Content: data},
	}
	switch event {
	case "dependabot_alert":
		f.Tool.Name = "Dependabot"
	case "secret_scanning_alert":
		f.Tool.Name = "GitHub secret scanning"
	default:
		f.Tool.Name = cmp.Or(f.Tool.Name, "GitHub code scanning")
		f.CommitSHA = cmp.Or(f.CommitSHA, commit(a.Instance.CommitSHA))
	}
	r.Fact = f
}
