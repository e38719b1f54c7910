package evidence

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/budget"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/phrase"
	"github.com/changetrail/changetrail/record"
)

// MaxReport is the size of the largest report that is read, in bytes, unpacked.
const MaxReport = 32 << 20

// A real report is compressed by a factor of a hundred at most. One with a higher ratio that is not
// small was made to exhaust memory.
const (
	maxRatio    = 250
	smallReport = 4 << 20
)

// MaxFindings is the number of findings of one report that are kept. The count of a longer report
// stays complete.
const MaxFindings = 5000

// Errors that say what is wrong with a report.
var (
	// ErrUnreadable reports a report that is broken, empty, of an unknown
	// format, or too large.
	ErrUnreadable = errors.New("report cannot be read")
	// ErrDigest reports content that does not match its digest.
	ErrDigest = errors.New("report does not match its digest")
)

func unreadable(format string, args ...any) error {
	for i, arg := range args {
		if err, is := arg.(error); is {
			args[i] = phrase.Error(err)
		}
	}
	return fmt.Errorf("%w: "+format, append([]any{ErrUnreadable}, args...)...)
}

// A Reader reads the reports that facts carry. The zero Reader has unlimited memory.
type Reader struct {
	// Reserve returns an error if there is not enough memory for a report of that many bytes. nil
	// means that there always is.
	Reserve func(bytes int64) error
}

// A BudgetError wraps an error of Reserve. The report can be read later.
type BudgetError struct{ Err error }

func (e *BudgetError) Error() string { return e.Err.Error() }

// Unwrap returns the error of Reserve.
func (e *BudgetError) Unwrap() error { return e.Err }

func (r Reader) reserve(bytes int64) error {
	if r.Reserve == nil {
		return nil
	}
	err := r.Reserve(bytes)
	var tooLarge *budget.TooLargeError
	switch {
	case errors.As(err, &tooLarge): // it will never fit
		return unreadable("%v", err)
	case err != nil:
		return &BudgetError{err}
	}
	return nil
}

// Unpack returns the file that a report carries, sets its digest and size, and drops the content.
// For a report without content it returns nil.
func Unpack(r *record.Report) ([]byte, error) { return Reader{}.unpack(r) }

func (r Reader) unpack(report *record.Report) ([]byte, error) {
	if len(report.Content) == 0 || string(report.Content) == "null" {
		report.Content = nil
		return nil, nil
	}
	file, err := r.decode(report)
	if err != nil {
		return nil, err
	}
	report.Content = nil
	if err := notEmpty(file); err != nil {
		return nil, err
	}
	digest := digests.Of(file)
	if report.Digest != "" && report.Digest != digest {
		return nil, fmt.Errorf("%w: the event says %s, the content is %s", ErrDigest, report.Digest, digest)
	}
	if report.Size != 0 && report.Size != int64(len(file)) {
		return nil, fmt.Errorf("%w: the event says %d bytes, the content has %d", ErrDigest, report.Size, len(file))
	}
	report.Digest, report.Size, report.Encoding = digest, int64(len(file)), ""
	return file, nil
}

func notEmpty(file []byte) error {
	if len(bytes.TrimSpace(file)) == 0 {
		return unreadable("the file is empty; a tool that ran writes a report even when it finds nothing, so check whether it failed")
	}
	return nil
}

func (r Reader) decode(report *record.Report) ([]byte, error) {
	if report.Encoding == "json" {
		return report.Content, nil
	}
	var text string
	if err := json.Unmarshal(jsonText(report.Content), &text); err != nil {
		return nil, unreadable("content is not a string; set encoding to json if the report is in the event as JSON")
	}
	switch report.Encoding {
	case "", "text":
		return []byte(text), nil
	}
	packed, err := decodeBase64(text)
	if err != nil {
		return nil, unreadable("content is not base64: %v", err)
	}
	if report.Encoding == "base64" {
		return packed, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, unreadable("content is not gzip: %v", err)
	}
	limit := min(MaxReport, max(smallReport, maxRatio*int64(len(packed))))
	file, err := budget.ReadAll(z, limit, r.reserve)
	var tooLarge *budget.TooLargeError
	var full *BudgetError
	switch {
	case errors.As(err, &full):
		return nil, err
	case errors.As(err, &tooLarge) && limit < MaxReport:
		return nil, unreadable("the file unpacks to more than %d times its size; upload it uncompressed to the blob store and send its digest", maxRatio)
	case errors.As(err, &tooLarge):
		return nil, unreadable("the file unpacks to more than %d MiB", MaxReport>>20)
	case err != nil:
		return nil, unreadable("gzip: %v", err)
	}
	return file, nil
}

// decodeBase64 decodes both alphabets of RFC 4648, with and without padding.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(text), "="))
	return base64.RawStdEncoding.DecodeString(text)
}

// Pack returns a report that carries file, compressed if that makes it smaller.
func Pack(file []byte, format string) (record.Report, error) {
	r := record.Report{Format: format, Digest: digests.Of(file), Size: int64(len(file))}
	text := ""
	if len(file) > 4<<10 {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, err := z.Write(file)
		if err := errors.Join(err, z.Close()); err != nil {
			return r, err
		}
		r.Encoding, text = "gzip+base64", base64.StdEncoding.EncodeToString(b.Bytes())
	} else {
		r.Encoding, text = "base64", base64.StdEncoding.EncodeToString(file)
	}
	content, err := json.Marshal(text)
	r.Content = content
	return r, err
}

// A Result is the content of a report.
type Result struct {
	Format         string
	Tool           string // as the report states it, or ""
	ToolVersion    string
	Scan           bool // of a scan, otherwise of a test run
	Summary        record.ScanSummary
	Findings       []record.Finding
	Passed, Failed int64
	Skipped        int64
	Failing        []string // names, sorted
	Conclusion     string   // of tests: success, failure or error
	Partial        []string // what was not understood
}

// doubted replaces a successful conclusion if parts of the report were not understood.
func doubted(res Result) Result {
	if len(res.Partial) == 0 {
		return res
	}
	res.Summary.Scanned, res.Summary.Partial = res.Summary.Findings > 0, true
	if res.Conclusion == "success" {
		res.Conclusion = "error"
	}
	return res
}

// Read detects the format of a report from its content and reads it. Its errors wrap
// [ErrUnreadable].
func Read(file []byte) (res Result, err error) {
	defer func() { // a reader's bug must not stop the stream
		if p := recover(); p != nil {
			err = unreadable("the reader failed: %v", p)
		}
	}()
	if len(file) > MaxReport {
		return Result{}, unreadable("the file has %d bytes; the limit is %d", len(file), MaxReport)
	}
	text := textOf(file)
	f, err := formatOf(text)
	if err != nil {
		return Result{}, err
	}
	if res, err = f.read(text); err != nil {
		return Result{}, err
	}
	res.Format, res.Scan = f.name, !f.tests
	return doubted(res), nil
}

// read reads a file after it reserved memory for it.
func (r Reader) read(file []byte) (Result, error) {
	if err := r.reserve(budget.Weight(file)); err != nil {
		return Result{}, err
	}
	return Read(file)
}

// ReadScan fills f from the report that it carries, and returns that file, or nil if f carries
// none.
func ReadScan(f *record.Scan) ([]byte, error) { return Reader{}.ReadScan(f) }

// ReadScan is like the function ReadScan, within the memory of r.
func (r Reader) ReadScan(f *record.Scan) ([]byte, error) {
	file, err := r.unpack(&f.Report)
	if err != nil || file == nil {
		return nil, err
	}
	res, err := r.read(file)
	if err != nil {
		return nil, err
	}
	if !res.Scan {
		return nil, unreadable("it is a report of tests (%s), not of a scan; send it as %s", res.Format, record.TypeValidationCompleted)
	}
	f.Report.Format, f.Summary, f.Findings = res.Format, res.Summary, res.Findings
	for i := range f.Findings {
		if g := &f.Findings[i]; g.Scanner == "" { // a file may contain findings of several tools
			g.Scanner, g.ScannerVersion = orElse(res.Tool, f.Tool.Name), res.ToolVersion
		}
	}
	return file, nil
}

// ReadValidation fills f from the report that it carries. Counts in the report replace those in the
// event. The conclusion of the CI system is kept, except a success whose report has failures or was
// not fully understood. It returns the file, or nil if f carries none.
func ReadValidation(f *record.Validation) ([]byte, error) { return Reader{}.ReadValidation(f) }

// ReadValidation is like the function ReadValidation, within the memory of r.
func (r Reader) ReadValidation(f *record.Validation) ([]byte, error) {
	file, err := r.unpack(&f.Report)
	if err != nil {
		return nil, err
	}
	if file == nil {
		if f.Conclusion == "" && f.Failed > 0 {
			f.Conclusion = "failure"
		}
		return nil, nil
	}
	res, err := r.read(file)
	if err != nil {
		return nil, err
	}
	if res.Scan {
		return nil, unreadable("it is a report of a scan (%s), not of tests; send it as %s", res.Format, record.TypeScanCompleted)
	}
	f.Report.Format = res.Format
	f.Passed, f.Failed, f.Skipped = res.Passed, res.Failed, res.Skipped
	f.Failing = res.Failing[:min(len(res.Failing), record.MaxFailing)]
	if f.Conclusion == "" || f.Conclusion == "success" && (res.Conclusion == "failure" || len(res.Partial) > 0) {
		f.Conclusion = res.Conclusion
	}
	return file, nil
}
