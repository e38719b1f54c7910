package record

import (
	"time"
)

// A Report is a file that a tool wrote, carried in the event or named by its digest. Send a
// report of more than a few KB as gzip+base64.
type Report struct {
	Format   string  `json:"format,omitempty" schema:"max=64" doc:"recognized by content (docs/evidence.md), not by this field"`
	Encoding string  `json:"encoding,omitempty" schema:"enum=text|base64|gzip+base64|json" doc:"how content encodes the file; text if omitted"`
	Content  RawJSON `json:"content,omitzero" doc:"the file: a string in the encoding named, or (json) the JSON value itself"`
	Digest   string  `json:"digest,omitempty" schema:"format=digest" doc:"sha256 of the exact bytes of the file that the tool wrote"`
	Size     int64   `json:"size,omitempty" schema:"min=0" doc:"bytes of the file"`
}

// A Scan is a scanner's report. In an event it carries the report; once read it carries the
// content (Findings and Summary) instead.
type Scan struct {
	Tool      Tool   `json:"tool" schema:"required"`
	ScanID    string `json:"scan_id,omitempty" schema:"max=256" doc:"the scan's name at the scanner"`
	CommitSHA string `json:"commit_sha,omitempty" schema:"format=commit" doc:"the commit that was scanned"`
	URL       string `json:"url,omitempty" schema:"max=2048"`
	Report    Report `json:"report,omitzero"`
	Alert     bool   `json:"alert,omitzero" doc:"the report is one alert of a code host; scan_id is its kind and number, such as dependabot/7"`
	// Repository is for senders that set neither subject nor partitionkey.
	Repository string `json:"repository,omitempty" schema:"max=512"`

	Summary  ScanSummary `json:"-"`
	Findings []Finding   `json:"-"`
}

// A ScanSummary is what a report says as a whole.
type ScanSummary struct {
	Findings int    // distinct findings in the report
	Highest  string // the most serious severity of them
	Scanned  bool   // the report shows that something was scanned
	Partial  bool   // there may be findings that were not kept: not all of the report was understood, or the report says so itself
}

// A Finding is one weakness in one place. The reports of all scanners are read into this model.
type Finding struct {
	ID             string   `json:"id"`
	Aliases        []string `json:"aliases,omitempty"`
	Severity       string   `json:"severity,omitempty"` // critical, high, medium, low, none or unknown
	Score          float64  `json:"score,omitempty"`    // CVSS base score; 0 if not stated
	ScoreVersion   string   `json:"score_version,omitempty"`
	Title          string   `json:"title,omitempty"`
	Package        string   `json:"package,omitempty"`
	Ecosystem      string   `json:"ecosystem,omitempty"`
	PURL           string   `json:"purl,omitempty"` // https://github.com/package-url/purl-spec
	Installed      string   `json:"installed,omitempty"`
	Fixed          string   `json:"fixed,omitempty"` // lowest version above Installed without the weakness
	Path           string   `json:"path,omitempty"`
	Line           int      `json:"line,omitempty"`
	Scanner        string   `json:"scanner,omitempty"`
	ScannerVersion string   `json:"scanner_version,omitempty"`
	Fingerprint    string   `json:"fingerprint,omitempty"`
	URL            string   `json:"url,omitempty"`
}

// Names returns the names under which f is known, the id first.
func (f Finding) Names() []string {
	names := append([]string{f.ID}, f.Aliases...)
	return compactStrings(names)
}

// A Validation is the result of a CI job. Counts come from the report if there is one, and
// otherwise from the fields.
type Validation struct {
	Name       string `json:"name" schema:"required,min=1,max=256" doc:"the job or check"`
	Provider   string `json:"provider,omitempty" schema:"max=256" doc:"the CI system"`
	CommitSHA  string `json:"commit_sha,omitempty" schema:"format=commit"`
	URL        string `json:"url,omitempty" schema:"max=2048"`
	Conclusion string `json:"conclusion,omitempty" schema:"enum=success|failure|error|cancelled|skipped|neutral|timed-out|waiting" doc:"what the CI system says; read from the report if omitted. waiting: the job waits for a person"`
	Passed     int64  `json:"passed,omitempty" schema:"min=0"`
	Failed     int64  `json:"failed,omitempty" schema:"min=0"`
	Skipped    int64  `json:"skipped,omitempty" schema:"min=0"`
	Report     Report `json:"report,omitzero"`
	Repository string `json:"repository,omitempty" schema:"max=512"`
	Workflow   string `json:"workflow,omitempty" schema:"max=256" doc:"the workflow or pipeline of the job; jobs with one name in two of them are two checks"`
	RunID      string `json:"run_id,omitempty" schema:"max=256" doc:"the run at the CI system"`
	Attempt    int64  `json:"attempt,omitzero" schema:"min=0" doc:"number of the attempt of that run"`
	JobID      string `json:"job_id,omitzero" schema:"max=256" doc:"id of this job at the CI system: several jobs of a run may have the same name"`

	StartedAt time.Time `json:"started_at,omitzero" doc:"when the job began: without attempt numbers, a job that began after another ended is another attempt"`

	Failing []string `json:"-"` // names of the failing tests, sorted, at most MaxFailing
}
