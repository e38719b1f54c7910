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
	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/record"
)

// MaxReport is the largest report that is read, in bytes, unpacked.
const MaxReport = 32 << 20

// A report packs to a hundredth at best. What packs better, and is not small, is made
// to fill the memory of who reads it.
const (
	maxRatio    = 250
	smallReport = 4 << 20
)

// MaxFindings is how many findings of one report are kept. The count of a
// longer report is still its own.
const MaxFindings = 5000

// Errors that tell what kind of wrong a report is.
var (
	// ErrUnreadable reports a report that is broken, empty, of an unknown
	// format, or too large.
	ErrUnreadable = errors.New("report cannot be read")
	// ErrDigest reports content that is not what its digest says.
	ErrDigest = errors.New("report does not match its digest")
)

func unreadable(format string, args ...any) error {
	for i, arg := range args {
		if err, is := arg.(error); is {
			args[i] = mistake.Plain(err)
		}
	}
	return fmt.Errorf("%w: "+format, append([]any{ErrUnreadable}, args...)...)
}

// A Reader reads the reports that facts carry. The zero Reader has all memory.
type Reader struct {
	// Room is asked before memory is taken for a report, in bytes; nil: there is enough.
	Room func(bytes int64) error
}

// A RoomError says that Room had none. The report is read another time.
type RoomError struct{ Err error }

func (e *RoomError) Error() string { return e.Err.Error() }

// Unwrap returns what Room said.
func (e *RoomError) Unwrap() error { return e.Err }

func (r Reader) room(bytes int64) error {
	if r.Room == nil {
		return nil
	}
	err := r.Room(bytes)
	var tooLarge *budget.TooLargeError
	switch {
	case errors.As(err, &tooLarge): // at any time
		return unreadable("%v", err)
	case err != nil:
		return &RoomError{err}
	}
	return nil
}

// Unpack returns the file that a report carries and sets its digest and size.
// The content is dropped. A report without content is (nil, nil).
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
	if len(bytes.TrimSpace(file)) == 0 {
		return nil, unreadable("the file is empty; a tool that ran writes a report even when it finds nothing, so look at how it ended")
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

func (r Reader) decode(report *record.Report) ([]byte, error) {
	if report.Encoding == "json" {
		return report.Content, nil
	}
	var text string
	if err := json.Unmarshal(jsonText(report.Content), &text); err != nil {
		return nil, unreadable("content is not a string; set encoding to json for a report that stands in the event as JSON")
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
	file, err := budget.ReadAll(z, limit, r.room)
	var tooLarge *budget.TooLargeError
	var full *RoomError
	switch {
	case errors.As(err, &full):
		return nil, err
	case errors.As(err, &tooLarge) && limit < MaxReport:
		return nil, unreadable("the file unpacks to more than %d times its size; send it as it is, under its digest in the blob store", maxRatio)
	case errors.As(err, &tooLarge):
		return nil, unreadable("the file unpacks to more than %d MiB", MaxReport>>20)
	case err != nil:
		return nil, unreadable("gzip: %v", err)
	}
	return file, nil
}

// decodeBase64 reads both alphabets of RFC 4648, with padding and without.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(text), "="))
	return base64.RawStdEncoding.DecodeString(text)
}

// Pack returns a report that carries file, compressed where that pays.
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

// A Result is what a report holds.
type Result struct {
	Format         string
	Tool           string // as the report names it; empty where it does not
	ToolVersion    string
	Scan           bool // a scan's report, else a test run's
	Summary        record.ScanSummary
	Findings       []record.Finding
	Passed, Failed int64
	Skipped        int64
	Failing        []string // names, sorted
	Conclusion     string   // of tests: success, failure or error
	Partial        []string // what of the report was not understood
}

// doubted takes back what is good news only where all of the report was
// understood.
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

// Read tells the format of a report by its content and reads it. Its errors
// wrap [ErrUnreadable].
func Read(file []byte) (res Result, err error) {
	defer func() { // a reader's bug must not stop the stream
		if p := recover(); p != nil {
			err = unreadable("the reader failed: %v", p)
		}
	}()
	if len(file) > MaxReport {
		return Result{}, unreadable("the file has %d bytes, at most %d are read", len(file), MaxReport)
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

// read reads a file, once there is room for what it is read into.
func (r Reader) read(file []byte) (Result, error) {
	if err := r.room(budget.Weight(file)); err != nil {
		return Result{}, err
	}
	return Read(file)
}

// ReadScan fills f from the report that it carries, and returns that file; nil
// where it carries none.
func ReadScan(f *record.Scan) ([]byte, error) { return Reader{}.ReadScan(f) }

// ReadScan is the function ReadScan, with the memory that r has.
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
		if g := &f.Findings[i]; g.Scanner == "" { // a file may hold the findings of several tools
			g.Scanner, g.ScannerVersion = orElse(res.Tool, f.Tool.Name), res.ToolVersion
		}
	}
	return file, nil
}

// ReadValidation fills f from the report that it carries. Counts in the report
// replace those beside it. A conclusion that the CI system states stands, save a
// success beside a report that has failures or was not understood. It returns
// the file; nil where f carries none.
func ReadValidation(f *record.Validation) ([]byte, error) { return Reader{}.ReadValidation(f) }

// ReadValidation is the function ReadValidation, with the memory that r has.
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
